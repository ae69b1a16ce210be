// max_pool2d: what every backend of the operator shares.
#pragma once

#include "../common/checks.h"

#include <ATen/ops/max_pool2d_with_indices_backward.h>

#include <vector>

namespace mx_driving {

constexpr const char* kMaxPool2d = "max_pool2d";

// Checks the arguments and returns the sizes of the output.
inline std::vector<c10::SymInt> max_pool2d_output_size(
    const at::Tensor& input, at::IntArrayRef kernel_size, at::IntArrayRef stride, at::IntArrayRef padding) {
  constexpr const char* op = kMaxPool2d;
  check_floating(op, "input", input);
  check_dim(op, "input", input, 4, "[N, C, H, W]");
  check_pair(op, "kernel_size", kernel_size, 1);
  check_pair(op, "stride", stride, 1);
  check_pair(op, "padding", padding, 0);
  std::vector<c10::SymInt> sizes = input.sym_sizes().vec();
  for (int i = 0; i < 2; ++i) {
    TORCH_CHECK(
        2 * padding[i] <= kernel_size[i], op, ": padding must be at most half of kernel_size, ", kernel_size, ", got ",
        padding);
    TORCH_CHECK(
        sizes[i + 2] + 2 * padding[i] >= kernel_size[i], op,
        ": the padded input must be at least as large as kernel_size, ", kernel_size, ", got input ", input.sym_sizes(),
        " and padding ", padding);
    sizes[i + 2] = (sizes[i + 2] + 2 * padding[i] - kernel_size[i]) / stride[i] + 1;
  }
  return sizes;
}

// For backends whose indices are positions in an image of the input.
inline void check_max_pool2d_indices(const at::Tensor& indices, const std::vector<c10::SymInt>& size) {
  check_shape(kMaxPool2d, "indices", indices, {size[0], size[1], size[2], size[3]}, "[N, C, Ho, Wo]");
  TORCH_CHECK(indices.scalar_type() == at::kLong, kMaxPool2d, ": indices must be int64, got ", indices.scalar_type());
}

// The gradient on every backend: its indices are those of ATen's forward operator.
inline at::Tensor max_pool2d_gradient(
    const at::Tensor& grad_output, const at::Tensor& input, const at::Tensor& indices, at::IntArrayRef kernel_size,
    at::IntArrayRef stride, at::IntArrayRef padding) {
  const auto size = max_pool2d_output_size(input, kernel_size, stride, padding);
  check_shape(kMaxPool2d, "grad_output", grad_output, {size[0], size[1], size[2], size[3]}, "[N, C, Ho, Wo]");
  check_like(kMaxPool2d, "grad_output", grad_output, "input", input);
  return at::max_pool2d_with_indices_backward(
      grad_output, input, kernel_size, stride, padding, /*dilation=*/1, /*ceil_mode=*/false, indices);
}

} // namespace mx_driving
