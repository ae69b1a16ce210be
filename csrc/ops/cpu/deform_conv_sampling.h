// Sampling loops of the deformable convolutions on the CPU. Images are [H, W, C] here, so that every loop runs over
// channels that lie side by side; a position's location is worked out once for all channels of its deform group.
#pragma once

#include "../../common/bilinear.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace mx_driving {

struct DeformConvGeometry {
  int64_t channels, height, width; // input
  int64_t kernel_h, kernel_w, out_width;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  int64_t positions; // Ho * Wo

  int64_t taps() const {
    return kernel_h * kernel_w;
  }
};

// A run of channels that share a deform group and a convolution group.
struct ChannelRun {
  int64_t begin, end, deform_group;
  int64_t group, group_channels;
};

template <typename scalar_t>
struct TapPlace {
  int64_t p, tap;
  scalar_t row, column;
};

// Positions [first, first + count) of one image, and their columns [groups, count, taps, C / groups].
template <typename scalar_t>
struct DeformChunk {
  const DeformConvGeometry& g;
  const std::vector<ChannelRun>& runs;
  const scalar_t *image, *offset, *mask; // mask may be null
  const scalar_t* zeros;                 // C of them
  int64_t first, count;
  scalar_t* columns;

  // Index of (deform group, tap, position) in mask; offset holds y and x for each, one plane after the other.
  MX_DRIVING_INLINE int64_t plane(int64_t deform_group, int64_t tap) const {
    return (deform_group * g.taps() + tap) * g.positions;
  }

  // Where a tap of a position is without its offset.
  MX_DRIVING_INLINE TapPlace<scalar_t> place(int64_t p, int64_t tap) const {
    const int64_t position = first + p;
    return {
        p, tap, static_cast<scalar_t>(position / g.out_width * g.stride_h - g.pad_h + tap / g.kernel_w * g.dilation_h),
        static_cast<scalar_t>(position % g.out_width * g.stride_w - g.pad_w + tap % g.kernel_w * g.dilation_w)};
  }

  MX_DRIVING_INLINE bool locate(int64_t deform_group, const TapPlace<scalar_t>& at, Neighbours<scalar_t>& near) const {
    const scalar_t* planes = offset + 2 * plane(deform_group, at.tap) + first + at.p;
    return near.template locate<false>(at.row + planes[0], at.column + planes[g.positions], g.height, g.width);
  }

  // NaN where an offset is NaN: a point that is nowhere samples nothing, but its gradients tell of it.
  MX_DRIVING_INLINE scalar_t zero_or_nan(int64_t deform_group, int64_t p, int64_t tap) const {
    const scalar_t* planes = offset + 2 * plane(deform_group, tap) + first + p;
    const scalar_t y = planes[0], x = planes[g.positions];
    return y != y || x != x ? std::numeric_limits<scalar_t>::quiet_NaN() : scalar_t(0);
  }

  MX_DRIVING_INLINE scalar_t mask_at(int64_t deform_group, int64_t p, int64_t tap) const {
    return mask == nullptr ? scalar_t(1) : mask[plane(deform_group, tap) + first + p];
  }

  // The columns of one tap; indexed by channel.
  MX_DRIVING_INLINE scalar_t* column(const ChannelRun& run, int64_t p, int64_t tap) const {
    return columns + ((run.group * count + p) * g.taps() + tap) * run.group_channels - run.group * run.group_channels;
  }
};

// Forward: fills the columns. One position is one unit of work.
template <typename scalar_t>
struct SampleColumns {
  const DeformChunk<scalar_t>& chunk;

  MX_DRIVING_INLINE void operator()(int64_t begin, int64_t end) const {
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t tap = 0; tap < chunk.g.taps(); ++tap) {
        sample(p, tap);
      }
    }
  }

  MX_DRIVING_INLINE void sample(int64_t p, int64_t tap) const {
    Neighbours<scalar_t> near;
    const scalar_t* row[4];
    scalar_t mask = 0;
    bool inside = false;
    int64_t deform_group = -1;
    const auto at = chunk.place(p, tap); // divisions are slow: once for all deform groups
    for (const ChannelRun& run : chunk.runs) {
      if (run.deform_group != deform_group) {
        deform_group = run.deform_group;
        inside = chunk.locate(deform_group, at, near);
        mask = chunk.mask_at(deform_group, p, tap);
        if (inside) {
          near.rows(chunk.image, chunk.g.channels, chunk.zeros, row);
        }
      }
      scalar_t* out = chunk.column(run, p, tap);
      if (!inside) {
        std::fill(out + run.begin, out + run.end, 0 * mask); // NaN if the mask is no finite number
        continue;
      }
      const scalar_t w0 = near.weight[0], w1 = near.weight[1], w2 = near.weight[2], w3 = near.weight[3];
#pragma omp simd
      for (int64_t c = run.begin; c < run.end; ++c) {
        out[c] = mask * (w0 * row[0][c] + w1 * row[1][c] + w2 * row[2][c] + w3 * row[3][c]);
      }
    }
  }
};

// Backward to the input: adds the gradients of the columns to the image. One channel is one unit of work, so threads
// never write to the same number and the order of summation does not depend on how many there are.
template <typename scalar_t>
struct ScatterColumns {
  const DeformChunk<scalar_t>& chunk;
  scalar_t* grad_image;

  MX_DRIVING_INLINE void operator()(int64_t begin, int64_t end) const {
    std::vector<scalar_t> discard(chunk.g.channels);
    for (int64_t p = 0; p < chunk.count; ++p) {
      for (int64_t tap = 0; tap < chunk.g.taps(); ++tap) {
        scatter(p, tap, begin, end, discard.data());
      }
    }
  }

  MX_DRIVING_INLINE void scatter(int64_t p, int64_t tap, int64_t begin, int64_t end, scalar_t* discard) const {
    const auto at = chunk.place(p, tap);
    for (const ChannelRun& run : chunk.runs) {
      const int64_t low = std::max(run.begin, begin), high = std::min(run.end, end);
      Neighbours<scalar_t> near;
      if (low >= high || !chunk.locate(run.deform_group, at, near)) {
        continue;
      }
      scalar_t* row[4];
      near.rows(grad_image, chunk.g.channels, discard, row);
      for (int i = 0; i < 4; ++i) {
        row[i] = near.weight[i] == 0 ? discard : row[i]; // a gradient that is NaN stays at the pixels that were read
      }
      const scalar_t mask = chunk.mask_at(run.deform_group, p, tap);
      const scalar_t w0 = near.weight[0] * mask, w1 = near.weight[1] * mask;
      const scalar_t w2 = near.weight[2] * mask, w3 = near.weight[3] * mask;
      const scalar_t* grad = chunk.column(run, p, tap);
#pragma omp simd
      for (int64_t c = low; c < high; ++c) {
        row[0][c] += w0 * grad[c];
        row[1][c] += w1 * grad[c];
        row[2][c] += w2 * grad[c];
        row[3][c] += w3 * grad[c];
      }
    }
  }
};

// Backward to offset and mask. On the way it turns the gradients of the columns into the columns themselves, which the
// weight gradient needs next: the pixels are at hand here. One position is one unit of work.
template <typename scalar_t>
struct ReduceColumns {
  const DeformChunk<scalar_t>& chunk;
  scalar_t *grad_offset, *grad_mask; // grad_mask may be null

  MX_DRIVING_INLINE void operator()(int64_t begin, int64_t end) const {
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t tap = 0; tap < chunk.g.taps(); ++tap) {
        const auto at = chunk.place(p, tap);
        for (size_t run = 0; run < chunk.runs.size();) {
          run = reduce(run, at);
        }
      }
    }
  }

  // Handles the runs of one deform group and returns the first run behind them.
  MX_DRIVING_INLINE size_t reduce(size_t run, const TapPlace<scalar_t>& at) const {
    const int64_t p = at.p, tap = at.tap;
    const int64_t deform_group = chunk.runs[run].deform_group;
    const int64_t position = chunk.plane(deform_group, tap) + chunk.first + p;
    scalar_t* offset = grad_offset + position + chunk.plane(deform_group, tap);
    const scalar_t mask = chunk.mask_at(deform_group, p, tap);
    Neighbours<scalar_t> near;
    const bool inside = chunk.locate(deform_group, at, near);
    const scalar_t* row[4] = {chunk.zeros, chunk.zeros, chunk.zeros, chunk.zeros};
    if (inside) {
      near.rows(chunk.image, chunk.g.channels, chunk.zeros, row);
    } else {
      near = Neighbours<scalar_t>();
      near.dy = near.dx = chunk.zero_or_nan(deform_group, p, tap);
    }
    scalar_t dot[4] = {0, 0, 0, 0};
    for (; run < chunk.runs.size() && chunk.runs[run].deform_group == deform_group; ++run) {
      accumulate(chunk.runs[run], p, tap, near, mask, row, dot);
    }
    offset[0] = mask * near.slope_y(dot);
    offset[chunk.g.positions] = mask * near.slope_x(dot);
    if (grad_mask != nullptr) {
      grad_mask[position] = inside ? near.sample(dot) : near.dy;
    }
    return run;
  }

  MX_DRIVING_INLINE void accumulate(
      const ChannelRun& run, int64_t p, int64_t tap, const Neighbours<scalar_t>& near, scalar_t mask,
      const scalar_t* (&row)[4], scalar_t (&dot)[4]) const {
    scalar_t* column = chunk.column(run, p, tap);
    const scalar_t w0 = near.weight[0], w1 = near.weight[1], w2 = near.weight[2], w3 = near.weight[3];
    scalar_t d0 = dot[0], d1 = dot[1], d2 = dot[2], d3 = dot[3];
#pragma omp simd reduction(+ : d0, d1, d2, d3)
    for (int64_t c = run.begin; c < run.end; ++c) {
      const scalar_t v0 = row[0][c], v1 = row[1][c], v2 = row[2][c], v3 = row[3][c];
      const scalar_t grad = column[c];
      d0 += grad * v0;
      d1 += grad * v1;
      d2 += grad * v2;
      d3 += grad * v3;
      column[c] = mask * (w0 * v0 + w1 * v1 + w2 * v2 + w3 * v3);
    }
    dot[0] = d0, dot[1] = d1, dot[2] = d2, dot[3] = d3;
  }
};

} // namespace mx_driving
