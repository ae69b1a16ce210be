#include "deform_conv_cpu.h"

#include <torch/library.h>

namespace mx_driving {
namespace {

using at::IntArrayRef;
using at::Tensor;

Tensor forward_cpu(
    const Tensor& input, const Tensor& offset, const Tensor& weight, IntArrayRef stride, IntArrayRef padding,
    IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
  return deform_conv_cpu(
      {"deform_conv2d", input, offset, {}, weight, {}}, {stride, padding, dilation, groups, deform_groups});
}

std::tuple<Tensor, Tensor, Tensor> backward_cpu(
    const Tensor& grad_output, const Tensor& input, const Tensor& offset, const Tensor& weight, IntArrayRef stride,
    IntArrayRef padding, IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
  const auto grads = deform_conv_backward_cpu(
      {"deform_conv2d", input, offset, {}, weight, {}}, {stride, padding, dilation, groups, deform_groups},
      grad_output);
  return {grads.input, grads.offset, grads.weight};
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, CPU, m) {
  m.impl("deform_conv2d", TORCH_FN(forward_cpu));
  m.impl("deform_conv2d_backward", TORCH_FN(backward_cpu));
}

} // namespace mx_driving
