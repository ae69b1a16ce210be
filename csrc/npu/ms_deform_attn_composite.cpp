#include "ms_deform_attn_composite.h"

#include <ATen/ATen.h>

#include <functional>

namespace mx_driving {
namespace npu {
namespace {

using at::Tensor;

constexpr int64_t kBilinear = 0, kZeroPadding = 0;

// One level as grid_sampler sees it: image [B * M, D, H, W], grid [B * M, Q, P, 2], weights [B * M, 1, Q, P].
struct Level {
  int64_t index, start, height, width;
  Tensor image, grid, weights;
};

Level level_of(const AttentionInputs& in, int64_t index, int64_t start, int64_t height, int64_t width) {
  const auto image = in.value.slice(1, start, start + height * width).permute({0, 2, 3, 1});
  const auto grid = in.locations.select(3, index).transpose(1, 2).flatten(0, 1) * 2 - 1;
  const auto weights = in.weights.select(3, index).transpose(1, 2).flatten(0, 1).unsqueeze(1);
  return {index,
          start,
          height,
          width,
          image.reshape({-1, in.value.size(3), height, width}).contiguous(),
          grid.contiguous(),
          weights};
}

Tensor sample(const Level& level) {
  return at::grid_sampler_2d(level.image, level.grid, kBilinear, kZeroPadding, /*align_corners=*/false);
}

void for_each_level(const AttentionInputs& in, const std::function<void(const Level&)>& body) {
  const auto positions = in.value.size(1), levels = in.shapes.size(0);
  // One copy to the host for both.
  const auto geometry = at::cat({in.shapes.to(at::kLong), in.starts.to(at::kLong).unsqueeze(1)}, 1).cpu().contiguous();
  const auto* level = geometry.data_ptr<int64_t>();
  int64_t total = 0;
  for (int64_t index = 0; index < levels; ++index) total += level[3 * index] * level[3 * index + 1];
  TORCH_CHECK(
      total == positions, "ms_deform_attn: S of value must be the sum of H * W over spatial_shapes, ", total, ", got ",
      positions);
  for (int64_t index = 0; index < levels; ++index, level += 3) {
    const auto height = level[0], width = level[1], start = level[2];
    TORCH_CHECK(
        start >= 0 && start + height * width <= positions, "ms_deform_attn: level ", index,
        " must lie inside value, of ", positions, " positions, got level_start_index ", start);
    body(level_of(in, index, start, height, width));
  }
}

} // namespace

Tensor composite_forward(const AttentionInputs& in) {
  const auto batch = in.value.size(0), heads = in.value.size(2), depth = in.value.size(3);
  const auto queries = in.locations.size(1);
  auto sum = at::zeros({batch * heads, depth, queries}, in.value.options());
  for_each_level(in, [&](const Level& level) { sum += (sample(level) * level.weights).sum(-1); });
  return sum.view({batch, heads, depth, queries})
      .permute({0, 3, 1, 2})
      .contiguous()
      .view({batch, queries, heads * depth});
}

std::tuple<Tensor, Tensor, Tensor> composite_backward(const AttentionInputs& in, const Tensor& grad_output) {
  const auto batch = in.value.size(0), heads = in.value.size(2), depth = in.value.size(3);
  const auto queries = in.locations.size(1);
  const auto grad = grad_output.reshape({batch, queries, heads, depth})
                        .permute({0, 2, 3, 1})
                        .reshape({batch * heads, depth, queries, 1});
  auto grad_value = at::zeros_like(in.value), grad_locations = at::empty_like(in.locations),
       grad_weights = at::empty_like(in.weights);
  for_each_level(in, [&](const Level& level) {
    const auto by_head = [&](const Tensor& t) { return t.unflatten(0, {batch, heads}).transpose(1, 2); };
    grad_weights.select(3, level.index).copy_(by_head((sample(level) * grad).sum(1)));
    const auto [grad_image, grad_grid] = at::grid_sampler_2d_backward(
        (grad * level.weights).contiguous(), level.image, level.grid, kBilinear, kZeroPadding, false, {true, true});
    grad_locations.select(3, level.index).copy_(by_head(grad_grid * 2));
    grad_value.slice(1, level.start, level.start + level.height * level.width)
        .copy_(grad_image.reshape({batch, heads, depth, -1}).permute({0, 3, 1, 2}));
  });
  return {grad_value, grad_locations, grad_weights};
}

} // namespace npu
} // namespace mx_driving
