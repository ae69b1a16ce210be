#include "deform_conv_cpu.h"

#include <torch/library.h>

namespace mx_driving {
namespace {

using at::IntArrayRef;
using at::Tensor;

constexpr const char* kOp = "modulated_deform_conv2d";

Tensor forward_cpu(
    const Tensor& input, const Tensor& offset, const Tensor& mask, const Tensor& weight, const OptionalTensor& bias,
    IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
  return deform_conv_cpu(
      {kOp, input, offset, mask, weight, bias.value_or(Tensor())}, {stride, padding, dilation, groups, deform_groups});
}

std::tuple<Tensor, Tensor, Tensor, Tensor> backward_cpu(
    const Tensor& grad_output, const Tensor& input, const Tensor& offset, const Tensor& mask, const Tensor& weight,
    IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
  const auto grads = deform_conv_backward_cpu(
      {kOp, input, offset, mask, weight, {}}, {stride, padding, dilation, groups, deform_groups}, grad_output);
  return {grads.input, grads.offset, grads.mask, grads.weight};
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, CPU, m) {
  m.impl("modulated_deform_conv2d", TORCH_FN(forward_cpu));
  m.impl("modulated_deform_conv2d_backward", TORCH_FN(backward_cpu));
}

} // namespace mx_driving
