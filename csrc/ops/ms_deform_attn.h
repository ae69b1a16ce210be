// Multi-scale deformable attention: what every backend of the operator shares.
#pragma once

#include <ATen/core/Tensor.h>

namespace mx_driving {

// Checks everything that can be known from shapes, dtypes and devices.
void check_ms_deform_attn(
    const at::Tensor& value, const at::Tensor& spatial_shapes, const at::Tensor& level_start_index,
    const at::Tensor& sampling_locations, const at::Tensor& attention_weights);

void check_ms_deform_attn_backward(
    const at::Tensor& value, const at::Tensor& spatial_shapes, const at::Tensor& level_start_index,
    const at::Tensor& sampling_locations, const at::Tensor& attention_weights, const at::Tensor& grad_output);

} // namespace mx_driving
