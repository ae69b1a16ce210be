#pragma once

#include "emulator/prelude.h"

namespace emulator {

/// Bilinear samples of x [N, C, H*W] at pixel positions (row, column), both [N, P]; zero outside. Returns [N, C, P].
/// Written with differentiable operators: floor() has no gradient, so at a whole pixel the slope is the one towards
/// the next pixel, which is the choice of the published kernels too (offsets of a fresh DCN are exactly zero).
at::Tensor bilinear(const at::Tensor& x, const at::Tensor& row, const at::Tensor& column, int64_t height, int64_t width);

/// Gradients of body(inputs) for the given gradient of its result, one for each input.
std::vector<at::Tensor> differentiate(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& body,
                                      std::vector<at::Tensor> inputs, const at::Tensor& grad);

}  // namespace emulator
