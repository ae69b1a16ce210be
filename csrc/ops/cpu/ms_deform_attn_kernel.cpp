// Multi-scale deformable attention on the CPU: vectorised over channels, parallel without atomics.
#include "../ms_deform_attn.h"

#include "ms_deform_attn_sampling.h"

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

using at::Tensor;

// The level table as plain numbers. It decides which memory is read, so it is checked against value here.
std::vector<AttentionLevel> read_levels(
    const Tensor& spatial_shapes, const Tensor& level_start_index, int64_t positions) {
  const Tensor shapes = spatial_shapes.to(at::kLong).contiguous();
  const Tensor starts = level_start_index.to(at::kLong).contiguous();
  std::vector<AttentionLevel> levels;
  int64_t total = 0;
  for (int64_t i = 0; i < shapes.size(0); ++i) {
    const int64_t* shape = shapes.data_ptr<int64_t>() + 2 * i;
    const AttentionLevel level{starts.data_ptr<int64_t>()[i], shape[0], shape[1]};
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

AttentionSizes read_sizes(const Tensor& value, const Tensor& locations) {
  return {value.size(0), value.size(1), value.size(2), value.size(3), locations.size(1), locations.size(4)};
}

// Neighbouring pixels of one head share cache lines in the head-major layout; the copy pays when value is read often.
AttentionLayout choose_layout(const AttentionSizes& s, size_t levels) {
  const bool head_major = s.queries * s.points * static_cast<int64_t>(levels) >= s.positions;
  const int64_t batch_stride = s.positions * s.heads * s.channels;
  return head_major ? AttentionLayout{batch_stride, s.positions * s.channels, s.channels, true}
                    : AttentionLayout{batch_stride, s.channels, s.heads * s.channels, false};
}

Tensor to_layout(const Tensor& value, const AttentionLayout& layout) {
  return layout.head_major ? value.permute({0, 2, 1, 3}).contiguous() : value.contiguous();
}

// Calls run with the head width as a compile-time constant where it is a common one.
template <typename Run>
void with_channels(int64_t channels, const Run& run) {
  switch (channels) {
    case 4: return run(std::integral_constant<int, 4>());
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
  const AttentionSizes s = read_sizes(value, sampling_locations);
  const AttentionLayout layout = choose_layout(s, levels.size());
  const auto compute = at::toOpMathType(value.scalar_type()); // half precision accumulates in float
  const Tensor v = to_layout(value.to(compute), layout);
  const Tensor locations = sampling_locations.to(compute).contiguous();
  const Tensor weights = attention_weights.to(compute).contiguous();
  const Tensor zeros = at::zeros({s.channels}, v.options());
  Tensor out = at::zeros({s.batch, s.queries, s.heads * s.channels}, v.options());
  AT_DISPATCH_FLOATING_TYPES(compute, "ms_deform_attn", [&] {
    with_channels(s.channels, [&](auto channels) {
      const GatherValue<scalar_t, decltype(channels)::value> body{
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
  const AttentionSizes s = read_sizes(value, sampling_locations);
  const AttentionLayout layout = choose_layout(s, levels.size());
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
      const ScatterValue<scalar_t, decltype(channels)::value> body{
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
