#pragma once

#include "emulator/prelude.h"

namespace emulator {

/// Bilinear samples of x [N, C, H*W] at pixel positions (row, column), both [N, P]; zero outside. Returns [N, C, P].
/// Written with differentiable operators. Offsets of a fresh DCN are exactly zero, so the choices at whole pixels
/// matter, and are those of the published kernels: the slope towards the next pixel, and none at -1 or at the size.
at::Tensor bilinear(const at::Tensor& x, const at::Tensor& row, const at::Tensor& column, int64_t height,
                    int64_t width);

/// Gradients of body(inputs) for the given gradient of its result, one for each input.
std::vector<at::Tensor> differentiate(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& body,
                                      std::vector<at::Tensor> inputs, const at::Tensor& grad);

}  // namespace emulator
