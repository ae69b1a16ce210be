// max_pool2d on an NPU is torch_npu's. Its "indices" are CANN's mask, whose size and layout are private to that
// operator and its gradient: they are passed from one to the other and mean nothing else.
#include "common.h"

#include "../ops/max_pool2d.h"

namespace mx_driving {
namespace npu {
namespace {

using at::IntArrayRef;
using at::Tensor;

std::tuple<Tensor, Tensor> max_pool2d(
    const Tensor& image, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding) {
  const auto input = dense(image);
  max_pool2d_output_size(input, kernel_size, stride, padding); // for its checks
  return at::max_pool2d_with_indices(input, kernel_size, stride, padding);
}

Tensor max_pool2d_backward(
    const Tensor& grad_output, const Tensor& input, const Tensor& indices, IntArrayRef kernel_size, IntArrayRef stride,
    IntArrayRef padding) {
  return max_pool2d_gradient(grad_output, dense(input), indices, kernel_size, stride, padding);
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, PrivateUse1, m) {
  m.impl("max_pool2d", TORCH_FN(max_pool2d));
  m.impl("max_pool2d_backward", TORCH_FN(max_pool2d_backward));
}

} // namespace npu
} // namespace mx_driving
