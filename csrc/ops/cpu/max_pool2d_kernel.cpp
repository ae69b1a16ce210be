// max_pool2d on the CPU: ATen's kernel is already parallel and vectorised, and its tie rule is the one we promise.
#include "../max_pool2d.h"

#include <ATen/ops/aminmax.h>
#include <ATen/ops/max_pool2d_with_indices.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

using at::IntArrayRef;
using at::Tensor;

std::tuple<Tensor, Tensor> forward_cpu(
    const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding) {
  max_pool2d_output_size(input, kernel_size, stride, padding); // for its checks: its messages name this operator
  return at::max_pool2d_with_indices(input, kernel_size, stride, padding);
}

Tensor backward_cpu(
    const Tensor& grad_output, const Tensor& input, const Tensor& indices, IntArrayRef kernel_size, IntArrayRef stride,
    IntArrayRef padding) {
  check_max_pool2d_indices(indices, max_pool2d_output_size(input, kernel_size, stride, padding));
  if (indices.numel() > 0) { // ATen adds at the indices without a look at them
    const auto [least, most] = at::aminmax(indices);
    const int64_t first = least.item<int64_t>(), last = most.item<int64_t>(), pixels = input.size(2) * input.size(3);
    TORCH_CHECK(
        first >= 0 && last < pixels, kMaxPool2d, ": indices must be >= 0 and below H * W of input, ", pixels, ", got ",
        first < 0 ? first : last);
  }
  return max_pool2d_gradient(grad_output, input, indices, kernel_size, stride, padding);
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, CPU, m) {
  m.impl("max_pool2d", TORCH_FN(forward_cpu));
  m.impl("max_pool2d_backward", TORCH_FN(backward_cpu));
}

} // namespace mx_driving
