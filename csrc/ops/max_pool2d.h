// max_pool2d: what every backend of the operator shares.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace mx_driving {

// Checks the arguments and returns the sizes of the output.
std::vector<c10::SymInt> max_pool2d_output_size(
    const at::Tensor& input, at::IntArrayRef kernel_size, at::IntArrayRef stride, at::IntArrayRef padding);

// Checks a backward call.
void check_max_pool2d_backward(
    const at::Tensor& grad_output, const at::Tensor& input, const at::Tensor& indices, at::IntArrayRef kernel_size,
    at::IntArrayRef stride, at::IntArrayRef padding);

} // namespace mx_driving
