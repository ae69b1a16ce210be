// Sampling loops of multi-scale deformable attention on the CPU.
#pragma once

#include "../../common/bilinear.h"

#include <algorithm>
#include <vector>

namespace mx_driving {

struct AttentionLevel {
  int64_t start, height, width;
};

// Value (or its gradient) as [B, S, M, D], or with each head's positions side by side as [B, M, S, D].
struct AttentionLayout {
  int64_t batch_stride, head_stride, pixel_stride;
  bool head_major;
};

struct AttentionSizes {
  int64_t batch, positions, heads, channels, queries, points;
};

// From [0, 1] of an extent to pixels. Doubled first, as grid_sample does: a location overflows here where it does
// there.
template <typename scalar_t>
MX_DRIVING_INLINE scalar_t to_pixels(scalar_t location, int64_t extent) {
  return 2 * location * (static_cast<scalar_t>(extent) / 2) - scalar_t(0.5);
}

// One (batch, head, query) is one unit of work. kChannels == 0 means that the width is known at run time only.
template <typename scalar_t, int kChannels>
struct GatherValue {
  const AttentionSizes& s;
  const AttentionLayout& layout;
  const std::vector<AttentionLevel>& levels;
  const scalar_t *value, *locations, *weights, *zeros;
  scalar_t* out;

  MX_DRIVING_INLINE void operator()(int64_t begin, int64_t end) const {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t q = unit % s.queries;
      const int64_t m = unit / s.queries % s.heads;
      const int64_t b = unit / s.queries / s.heads;
      const int64_t head = (b * s.queries + q) * s.heads + m;
      query(value + b * layout.batch_stride + m * layout.head_stride, head);
    }
  }

  MX_DRIVING_INLINE void query(const scalar_t* image, int64_t head) const {
    const int64_t channels = kChannels > 0 ? kChannels : s.channels;
    scalar_t local[kChannels > 0 ? kChannels : 1] = {};
    scalar_t* sum = kChannels > 0 ? local : out + head * channels; // a fixed width stays in registers
    int64_t sample = head * static_cast<int64_t>(levels.size()) * s.points;
    for (const AttentionLevel& level : levels) {
      const scalar_t* pixels = image + level.start * layout.pixel_stride;
      for (int64_t p = 0; p < s.points; ++p, ++sample) {
        Neighbours<scalar_t> near;
        if (!near.template locate<true>(
                to_pixels(locations[2 * sample + 1], level.height), to_pixels(locations[2 * sample], level.width),
                level.height, level.width)) {
          outside(near, weights[sample], channels, sum);
          continue;
        }
        const scalar_t* row[4];
        near.rows(pixels, layout.pixel_stride, zeros, row);
        const scalar_t w0 = near.weight[0], w1 = near.weight[1], w2 = near.weight[2], w3 = near.weight[3];
        const scalar_t weight = weights[sample];
#pragma omp simd
        for (int64_t c = 0; c < channels; ++c) {
          sum[c] += weight * (w0 * row[0][c] + w1 * row[1][c] + w2 * row[2][c] + w3 * row[3][c]);
        }
      }
    }
    if (kChannels > 0) {
      std::copy(local, local + channels, out + head * channels);
    }
  }

  // A sample outside is zero times its weight: NaN if the location or the weight is no finite number.
  MX_DRIVING_INLINE static void outside(
      const Neighbours<scalar_t>& near, scalar_t weight, int64_t channels, scalar_t* sum) {
    const scalar_t nothing = (near.dy + near.dx) * 0 * weight;
    for (int64_t c = 0; nothing != 0 && c < channels; ++c) {
      sum[c] += nothing;
    }
  }
};

// One (batch, head) is one unit of work: it owns its part of grad_value, and its order of summation is fixed.
template <typename scalar_t, int kChannels>
struct ScatterValue {
  const AttentionSizes& s;
  const AttentionLayout& layout;
  const std::vector<AttentionLevel>& levels;
  const scalar_t *value, *locations, *weights, *grad_out, *zeros;
  scalar_t *grad_value, *grad_locations, *grad_weights;

  MX_DRIVING_INLINE void operator()(int64_t begin, int64_t end) const {
    std::vector<scalar_t> discard(s.channels);
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t m = unit % s.heads, b = unit / s.heads;
      const int64_t image = b * layout.batch_stride + m * layout.head_stride;
      for (int64_t q = 0; q < s.queries; ++q) {
        query(image, (b * s.queries + q) * s.heads + m, discard.data());
      }
    }
  }

  MX_DRIVING_INLINE void query(int64_t image, int64_t head, scalar_t* discard) const {
    const int64_t channels = kChannels > 0 ? kChannels : s.channels;
    int64_t sample = head * static_cast<int64_t>(levels.size()) * s.points;
    for (const AttentionLevel& level : levels) {
      const int64_t pixels = image + level.start * layout.pixel_stride;
      for (int64_t p = 0; p < s.points; ++p, ++sample) {
        Neighbours<scalar_t> near;
        if (!near.template locate<true>(
                to_pixels(locations[2 * sample + 1], level.height), to_pixels(locations[2 * sample], level.width),
                level.height, level.width)) {
          outside(near, weights[sample], grad_out + head * channels, channels, sample);
          continue;
        }
        const scalar_t* row[4];
        scalar_t* grad_row[4];
        near.rows(value + pixels, layout.pixel_stride, zeros, row);
        near.rows(grad_value + pixels, layout.pixel_stride, discard, grad_row);
        scalar_t dot[4];
        corners(grad_out + head * channels, channels, near, weights[sample], row, grad_row, dot);
        grad_weights[sample] = near.sample(dot);
        grad_locations[2 * sample] = level.width * weights[sample] * near.slope_x(dot);
        grad_locations[2 * sample + 1] = level.height * weights[sample] * near.slope_y(dot);
      }
    }
  }

  // All zero, times what the gradients of a sample inside are products of.
  MX_DRIVING_INLINE void outside(
      const Neighbours<scalar_t>& near, scalar_t weight, const scalar_t* grad, int64_t channels, int64_t sample) const {
    scalar_t nothing = 0;
#pragma omp simd reduction(+ : nothing)
    for (int64_t c = 0; c < channels; ++c) {
      nothing += grad[c] * 0;
    }
    grad_weights[sample] = nothing + (near.dy + near.dx) * 0;
    grad_locations[2 * sample] = weight * (nothing + near.dy * 0);
    grad_locations[2 * sample + 1] = weight * (nothing + near.dx * 0);
  }

  MX_DRIVING_INLINE static void corners(
      const scalar_t* grad, int64_t channels, const Neighbours<scalar_t>& near, scalar_t weight,
      const scalar_t* (&row)[4], scalar_t* (&grad_row)[4], scalar_t (&dot)[4]) {
    const scalar_t w0 = near.weight[0] * weight, w1 = near.weight[1] * weight;
    const scalar_t w2 = near.weight[2] * weight, w3 = near.weight[3] * weight;
    scalar_t d0 = 0, d1 = 0, d2 = 0, d3 = 0;
#pragma omp simd reduction(+ : d0, d1, d2, d3)
    for (int64_t c = 0; c < channels; ++c) {
      d0 += grad[c] * row[0][c];
      d1 += grad[c] * row[1][c];
      d2 += grad[c] * row[2][c];
      d3 += grad[c] * row[3][c];
      grad_row[0][c] += w0 * grad[c];
      grad_row[1][c] += w1 * grad[c];
      grad_row[2][c] += w2 * grad[c];
      grad_row[3][c] += w3 * grad[c];
    }
    dot[0] = d0, dot[1] = d1, dot[2] = d2, dot[3] = d3;
  }
};

} // namespace mx_driving
