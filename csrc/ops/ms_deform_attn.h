// Multi-scale deformable attention: what every backend of the operator shares.
#pragma once

#include "../common/checks.h"

namespace mx_driving {

constexpr const char* kMsDeformAttn = "ms_deform_attn";

inline void check_level_index(const char* name, const at::Tensor& tensor, const at::Tensor& value) {
  TORCH_CHECK(
      tensor.scalar_type() == at::kLong || tensor.scalar_type() == at::kInt, kMsDeformAttn, ": ", name,
      " must be int64 or int32, got ", tensor.scalar_type());
  TORCH_CHECK(
      tensor.device() == value.device(), kMsDeformAttn, ": ", name, " must be on the device of value, ", value.device(),
      ", got ", tensor.device());
}

// Checks everything that can be known from shapes, dtypes and devices.
inline void check_ms_deform_attn(
    const at::Tensor& value, const at::Tensor& shapes, const at::Tensor& starts, const at::Tensor& locations,
    const at::Tensor& weights) {
  check_floating(kMsDeformAttn, "value", value);
  check_dim(kMsDeformAttn, "value", value, 4, "[B, S, M, D]");
  check_dim(kMsDeformAttn, "spatial_shapes", shapes, 2, "[L, 2]");
  check_dim(kMsDeformAttn, "sampling_locations", locations, 6, "[B, Q, M, L, P, 2]");
  const auto levels = shapes.sym_size(0);
  const auto batch = value.sym_size(0), heads = value.sym_size(2);
  const auto queries = locations.sym_size(1), points = locations.sym_size(4);
  check_shape(kMsDeformAttn, "spatial_shapes", shapes, {levels, 2}, "[L, 2]");
  check_shape(kMsDeformAttn, "level_start_index", starts, {levels}, "[L]");
  check_shape(
      kMsDeformAttn, "sampling_locations", locations, {batch, queries, heads, levels, points, 2}, "[B, Q, M, L, P, 2]");
  check_shape(kMsDeformAttn, "attention_weights", weights, {batch, queries, heads, levels, points}, "[B, Q, M, L, P]");
  check_like(kMsDeformAttn, "sampling_locations", locations, "value", value);
  check_like(kMsDeformAttn, "attention_weights", weights, "value", value);
  check_level_index("spatial_shapes", shapes, value);
  check_level_index("level_start_index", starts, value);
}

inline void check_ms_deform_attn_backward(
    const at::Tensor& value, const at::Tensor& shapes, const at::Tensor& starts, const at::Tensor& locations,
    const at::Tensor& weights, const at::Tensor& grad_output) {
  check_ms_deform_attn(value, shapes, starts, locations, weights);
  check_shape(
      kMsDeformAttn, "grad_output", grad_output,
      {value.sym_size(0), locations.sym_size(1), value.sym_size(2) * value.sym_size(3)}, "[B, Q, M * D]");
  check_like(kMsDeformAttn, "grad_output", grad_output, "value", value);
}

} // namespace mx_driving
