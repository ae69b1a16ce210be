// Multi-scale deformable attention out of torch's own operators: for shapes and CANN versions that have no kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

namespace mx_driving {
namespace npu {

// The tensors of one call, checked already: value [B, S, M, D], shapes [L, 2], starts [L], locations [B, Q, M, L, P, 2]
// as (x, y), weights [B, Q, M, L, P].
struct AttentionInputs {
  at::Tensor value, shapes, starts, locations, weights;
};

at::Tensor composite_forward(const AttentionInputs& inputs);

// Gradients of value, locations and weights for grad_output [B, Q, M * D].
std::tuple<at::Tensor, at::Tensor, at::Tensor> composite_backward(
    const AttentionInputs& inputs, const at::Tensor& grad_output);

} // namespace npu
} // namespace mx_driving
