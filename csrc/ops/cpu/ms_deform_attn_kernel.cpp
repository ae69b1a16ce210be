// Multi-scale deformable attention on the CPU: vectorised over channels, parallel without atomics.
#include "../ms_deform_attn.h"

#include "../../common/bilinear.h"

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <vector>

namespace mx_driving {
namespace {

using at::Tensor;

struct Level {
  int64_t start, height, width;
};

// The level table as plain numbers. It decides which memory is read, so it is checked against value here.
std::vector<Level> read_levels(const Tensor& spatial_shapes, const Tensor& level_start_index, int64_t positions) {
  const Tensor shapes = spatial_shapes.to(at::kLong).contiguous();
  const Tensor starts = level_start_index.to(at::kLong).contiguous();
  std::vector<Level> levels;
  int64_t total = 0;
  for (int64_t i = 0; i < shapes.size(0); ++i) {
    const int64_t* shape = shapes.data_ptr<int64_t>() + 2 * i;
    const Level level{starts.data_ptr<int64_t>()[i], shape[0], shape[1]};
    TORCH_CHECK(
        level.height >= 0 && level.width >= 0, "ms_deform_attn: spatial_shapes must not be negative, got (",
        level.height, ", ", level.width, ") at level ", i);
    // Division instead of a product: height * width may overflow when the tensor holds garbage.
    TORCH_CHECK(
        level.start >= 0 && level.start <= positions &&
            (level.width == 0 || level.height <= (positions - level.start) / level.width),
        "ms_deform_attn: every level must lie inside value's S = ", positions, " positions, got level ", i, " of ",
        level.height, " x ", level.width, " at ", level.start);
    total += level.height * level.width;
    levels.push_back(level);
  }
  TORCH_CHECK(
      total == positions, "ms_deform_attn: S of value must be the sum of H * W over spatial_shapes, ", total,
      ", got S = ", positions);
  return levels;
}

// Value (or its gradient) as [B, S, M, D], or with each head's positions side by side as [B, M, S, D].
struct Layout {
  int64_t batch_stride, head_stride, pixel_stride;
  bool head_major;
};

struct Sizes {
  int64_t batch, positions, heads, channels, queries, points;
};

Sizes read_sizes(const Tensor& value, const Tensor& locations) {
  return {value.size(0), value.size(1), value.size(2), value.size(3), locations.size(1), locations.size(4)};
}

// Neighbouring pixels of one head share cache lines in the head-major layout; the copy pays when value is read often.
Layout choose_layout(const Sizes& s, size_t levels) {
  const bool head_major = s.queries * s.points * static_cast<int64_t>(levels) >= s.positions;
  const int64_t batch_stride = s.positions * s.heads * s.channels;
  return head_major ? Layout{batch_stride, s.positions * s.channels, s.channels, true}
                    : Layout{batch_stride, s.channels, s.heads * s.channels, false};
}

Tensor to_layout(const Tensor& value, const Layout& layout) {
  return layout.head_major ? value.permute({0, 2, 1, 3}).contiguous() : value.contiguous();
}

// One (batch, head, query) is one unit of work. kChannels == 0 means that the width is known at run time only.
template <typename scalar_t, int kChannels>
struct Gather {
  const Sizes& s;
  const Layout& layout;
  const std::vector<Level>& levels;
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
    for (const Level& level : levels) {
      const scalar_t* pixels = image + level.start * layout.pixel_stride;
      for (int64_t p = 0; p < s.points; ++p, ++sample) {
        Neighbours<scalar_t> near;
        const scalar_t y = locations[2 * sample + 1] * level.height - scalar_t(0.5);
        const scalar_t x = locations[2 * sample] * level.width - scalar_t(0.5);
        if (!near.locate(y, x, level.height, level.width)) {
          continue;
        }
        const scalar_t* row[4];
        near.rows(pixels, layout.pixel_stride, zeros, row);
        const scalar_t w0 = near.weight[0] * weights[sample], w1 = near.weight[1] * weights[sample];
        const scalar_t w2 = near.weight[2] * weights[sample], w3 = near.weight[3] * weights[sample];
#pragma omp simd
        for (int64_t c = 0; c < channels; ++c) {
          sum[c] += w0 * row[0][c] + w1 * row[1][c] + w2 * row[2][c] + w3 * row[3][c];
        }
      }
    }
    if (kChannels > 0) {
      std::copy(local, local + channels, out + head * channels);
    }
  }
};

// One (batch, head) is one unit of work: it owns its part of grad_value, and its order of summation is fixed.
template <typename scalar_t, int kChannels>
struct Scatter {
  const Sizes& s;
  const Layout& layout;
  const std::vector<Level>& levels;
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
    for (const Level& level : levels) {
      const int64_t pixels = image + level.start * layout.pixel_stride;
      for (int64_t p = 0; p < s.points; ++p, ++sample) {
        Neighbours<scalar_t> near;
        const scalar_t y = locations[2 * sample + 1] * level.height - scalar_t(0.5);
        const scalar_t x = locations[2 * sample] * level.width - scalar_t(0.5);
        if (!near.locate(y, x, level.height, level.width)) {
          continue; // the gradients were zeroed by the caller
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

// Calls run with the head width as a compile-time constant where it is a common one.
template <typename Run>
void with_channels(int64_t channels, const Run& run) {
  switch (channels) {
    case 8: return run(std::integral_constant<int, 8>());
    case 16: return run(std::integral_constant<int, 16>());
    case 32: return run(std::integral_constant<int, 32>());
    case 64: return run(std::integral_constant<int, 64>());
    default: return run(std::integral_constant<int, 0>());
  }
}

Tensor forward_cpu(
    const Tensor& value, const Tensor& spatial_shapes, const Tensor& level_start_index,
    const Tensor& sampling_locations, const Tensor& attention_weights) {
  check_ms_deform_attn(value, spatial_shapes, level_start_index, sampling_locations, attention_weights);
  const auto levels = read_levels(spatial_shapes, level_start_index, value.size(1));
  const Sizes s = read_sizes(value, sampling_locations);
  const Layout layout = choose_layout(s, levels.size());
  const auto compute = at::toOpMathType(value.scalar_type()); // half precision accumulates in float
  const Tensor v = to_layout(value.to(compute), layout);
  const Tensor locations = sampling_locations.to(compute).contiguous();
  const Tensor weights = attention_weights.to(compute).contiguous();
  const Tensor zeros = at::zeros({s.channels}, v.options());
  Tensor out = at::zeros({s.batch, s.queries, s.heads * s.channels}, v.options());
  AT_DISPATCH_FLOATING_TYPES(compute, "ms_deform_attn", [&] {
    with_channels(s.channels, [&](auto channels) {
      const Gather<scalar_t, decltype(channels)::value> body{
          s,
          layout,
          levels,
          v.data_ptr<scalar_t>(),
          locations.data_ptr<scalar_t>(),
          weights.data_ptr<scalar_t>(),
          zeros.data_ptr<scalar_t>(),
          out.data_ptr<scalar_t>()};
      parallel_vectorised(s.batch * s.heads * s.queries, 64, body);
    });
  });
  return out.to(value.scalar_type());
}

std::tuple<Tensor, Tensor, Tensor> backward_cpu(
    const Tensor& value, const Tensor& spatial_shapes, const Tensor& level_start_index,
    const Tensor& sampling_locations, const Tensor& attention_weights, const Tensor& grad_output) {
  check_ms_deform_attn_backward(
      value, spatial_shapes, level_start_index, sampling_locations, attention_weights, grad_output);
  const auto levels = read_levels(spatial_shapes, level_start_index, value.size(1));
  const Sizes s = read_sizes(value, sampling_locations);
  const Layout layout = choose_layout(s, levels.size());
  const auto compute = at::toOpMathType(value.scalar_type());
  const Tensor v = to_layout(value.to(compute), layout);
  const Tensor locations = sampling_locations.to(compute).contiguous();
  const Tensor weights = attention_weights.to(compute).contiguous();
  const Tensor grad_out = grad_output.to(compute).contiguous();
  const Tensor zeros = at::zeros({s.channels}, v.options());
  Tensor grad_value = at::zeros(v.sizes(), v.options());
  Tensor grad_locations = at::zeros(locations.sizes(), v.options());
  Tensor grad_weights = at::zeros(weights.sizes(), v.options());
  AT_DISPATCH_FLOATING_TYPES(compute, "ms_deform_attn_backward", [&] {
    with_channels(s.channels, [&](auto channels) {
      const Scatter<scalar_t, decltype(channels)::value> body{
          s,
          layout,
          levels,
          v.data_ptr<scalar_t>(),
          locations.data_ptr<scalar_t>(),
          weights.data_ptr<scalar_t>(),
          grad_out.data_ptr<scalar_t>(),
          zeros.data_ptr<scalar_t>(),
          grad_value.data_ptr<scalar_t>(),
          grad_locations.data_ptr<scalar_t>(),
          grad_weights.data_ptr<scalar_t>()};
      parallel_vectorised(s.batch * s.heads, 1, body);
    });
  });
  if (layout.head_major) {
    grad_value = grad_value.permute({0, 2, 1, 3}).contiguous();
  }
  const auto dtype = value.scalar_type();
  return {grad_value.to(dtype), grad_locations.to(dtype), grad_weights.to(dtype)};
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, CPU, m) {
  m.impl("ms_deform_attn", TORCH_FN(forward_cpu));
  m.impl("ms_deform_attn_backward", TORCH_FN(backward_cpu));
}

} // namespace mx_driving
