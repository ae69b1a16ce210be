// Deformable convolution v1 and v2 on an NPU: npu::npu_deformable_conv2d of torch_npu and its gradient. v1 is v2 with
// a mask of ones: CANN's operator takes modulated=true only.
#include "common.h"

#include "../ops/deform_conv_common.h"

namespace mx_driving {
namespace npu {
namespace {

using at::IntArrayRef;
using at::Tensor;

struct Arguments : DeformConvArgs {
  std::vector<int64_t> strides() const {
    return {1, 1, stride[0], stride[1]};
  }
  std::vector<int64_t> pads() const {
    return {padding[0], padding[0], padding[1], padding[1]};
  }
  std::vector<int64_t> dilations() const {
    return {1, 1, dilation[0], dilation[1]};
  }
};

// CANN's offsets are all x, all y, then the masks; ours are (y, x) pairs of each tap.
Tensor join(const Tensor& offset, const Tensor& mask) {
  const auto pairs = offset.unflatten(1, {-1, 2});
  return at::cat({pairs.select(2, 1), pairs.select(2, 0), mask}, 1);
}

struct OffsetAndMask {
  Tensor offset, mask;
};
OffsetAndMask split(const Tensor& joined) {
  const auto parts = joined.chunk(3, 1);
  return {at::stack({parts[1], parts[0]}, 2).flatten(1, 2), parts[2]};
}

Tensor mask_of_ones(const Tensor& offset) {
  return at::ones({offset.size(0), offset.size(1) / 2, offset.size(2), offset.size(3)}, offset.options());
}

IntArrayRef kernel_of(const Tensor& weight) {
  return weight.sizes().slice(2);
}

using Forward = std::tuple<Tensor, Tensor>(
    const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&, IntArrayRef, IntArrayRef, IntArrayRef,
    IntArrayRef, int64_t, int64_t, bool);
using Backward = std::tuple<Tensor, Tensor, Tensor, Tensor>(
    const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, IntArrayRef, IntArrayRef, IntArrayRef,
    IntArrayRef, int64_t, int64_t, bool);

// Returns the convolution and the deformed samples that it was taken of, both float32 whatever the inputs are.
std::tuple<Tensor, Tensor> native_forward(
    const Tensor& input, const Tensor& joined, const Tensor& weight, const OptionalTensor& bias, const Arguments& a) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("npu::npu_deformable_conv2d", "").typed<Forward>();
  return op.call(
      input, weight, joined, bias, kernel_of(weight), a.strides(), a.pads(), a.dilations(), a.groups, a.deform_groups,
      true);
}

struct Gradients {
  Tensor input, offset, mask, weight;
};

Gradients native_backward(
    const Tensor& grad_output, const Tensor& input, const Tensor& offset, const Tensor& mask, const Tensor& weight,
    const Arguments& a) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("npu::npu_deformable_conv2dbk", "").typed<Backward>();
  const auto joined = join(offset, mask);
  // The samples are kernel height x width times the input: gathering them again costs less than keeping them. They do
  // not depend on the weight, so one filter for each group will do.
  const auto samples = std::get<1>(native_forward(input, joined, weight.narrow(0, 0, a.groups), {}, a));
  const auto [grad_input, grad_weight, grad_joined, grad_bias] = op.call(
      input, grad_output, samples, weight, joined, kernel_of(weight), a.strides(), a.pads(), a.dilations(), a.groups,
      a.deform_groups, true);
  const auto parts = split(grad_joined);
  const auto dtype = input.scalar_type();
  return {grad_input.to(dtype), parts.offset.to(dtype), parts.mask.to(dtype), grad_weight.to(dtype)};
}

Tensor deform_conv2d(
    const Tensor& input, const Tensor& offset, const Tensor& weight, IntArrayRef stride, IntArrayRef padding,
    IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
  const Arguments arguments{{stride, padding, dilation, groups, deform_groups}};
  check_deform_conv({"deform_conv2d", input, offset, {}, weight, {}}, arguments);
  const auto joined = join(offset, mask_of_ones(offset));
  const auto result = native_forward(input, joined, weight, {}, arguments);
  return std::get<0>(result).to(input.scalar_type());
}

std::tuple<Tensor, Tensor, Tensor> deform_conv2d_backward(
    const Tensor& grad_output, const Tensor& input, const Tensor& offset, const Tensor& weight, IntArrayRef stride,
    IntArrayRef padding, IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
  const Arguments arguments{{stride, padding, dilation, groups, deform_groups}};
  check_deform_conv_backward({"deform_conv2d", input, offset, {}, weight, {}}, arguments, grad_output);
  const auto gradients = native_backward(grad_output, input, offset, mask_of_ones(offset), weight, arguments);
  return {gradients.input, gradients.offset, gradients.weight};
}

Tensor modulated_deform_conv2d(
    const Tensor& input, const Tensor& offset, const Tensor& mask, const Tensor& weight, const OptionalTensor& bias,
    IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
  const Arguments arguments{{stride, padding, dilation, groups, deform_groups}};
  check_deform_conv({"modulated_deform_conv2d", input, offset, mask, weight, bias.value_or(Tensor())}, arguments);
  const auto result = native_forward(input, join(offset, mask), weight, bias, arguments);
  return std::get<0>(result).to(input.scalar_type());
}

std::tuple<Tensor, Tensor, Tensor, Tensor> modulated_deform_conv2d_backward(
    const Tensor& grad_output, const Tensor& input, const Tensor& offset, const Tensor& mask, const Tensor& weight,
    IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
  const Arguments arguments{{stride, padding, dilation, groups, deform_groups}};
  check_deform_conv_backward({"modulated_deform_conv2d", input, offset, mask, weight, {}}, arguments, grad_output);
  const auto gradients = native_backward(grad_output, input, offset, mask, weight, arguments);
  return {gradients.input, gradients.offset, gradients.mask, gradients.weight};
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, PrivateUse1, m) {
  m.impl("deform_conv2d", TORCH_FN(deform_conv2d));
  m.impl("deform_conv2d_backward", TORCH_FN(deform_conv2d_backward));
  m.impl("modulated_deform_conv2d", TORCH_FN(modulated_deform_conv2d));
  m.impl("modulated_deform_conv2d_backward", TORCH_FN(modulated_deform_conv2d_backward));
}

} // namespace npu
} // namespace mx_driving
