// Deformable convolution v1 (arXiv 1703.06211): schema, Meta kernel and autograd.
#include "deform_conv_common.h"

#include "../common/dispatch.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

using at::IntArrayRef;
using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor forward_meta(
    const Tensor& input, const Tensor& offset, const Tensor& weight, IntArrayRef stride, IntArrayRef padding,
    IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
  const auto size = check_deform_conv(
      {"deform_conv2d", input, offset, {}, weight, {}}, {stride, padding, dilation, groups, deform_groups});
  return at::empty_symint(size, input.options());
}

std::tuple<Tensor, Tensor, Tensor> backward_meta(
    const Tensor& grad_output, const Tensor& input, const Tensor& offset, const Tensor& weight, IntArrayRef stride,
    IntArrayRef padding, IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
  check_deform_conv_backward(
      {"deform_conv2d", input, offset, {}, weight, {}}, {stride, padding, dilation, groups, deform_groups},
      grad_output);
  return {
      at::empty_symint(input.sym_sizes(), input.options()), at::empty_symint(offset.sym_sizes(), input.options()),
      at::empty_symint(weight.sym_sizes(), input.options())};
}

struct DeformConv2d : torch::autograd::Function<DeformConv2d> {
  static Tensor forward(
      AutogradContext* ctx, const Tensor& input, const Tensor& offset, const Tensor& weight, IntArrayRef stride,
      IntArrayRef padding, IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    ctx->save_for_backward({input, offset, weight});
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["padding"] = padding;
    ctx->saved_data["dilation"] = dilation;
    ctx->saved_data["groups"] = groups;
    ctx->saved_data["deform_groups"] = deform_groups;
    static const auto op = find_operator<decltype(forward_meta)>("mx_driving::deform_conv2d");
    return op.call(input, offset, weight, stride, padding, dilation, groups, deform_groups);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    static const auto op = find_operator<decltype(backward_meta)>("mx_driving::deform_conv2d_backward");
    const auto saved = ctx->get_saved_variables();
    auto& data = ctx->saved_data;
    auto [input, offset, weight] = op.call(
        grad_outputs[0], saved[0], saved[1], saved[2], data["stride"].toIntVector(), data["padding"].toIntVector(),
        data["dilation"].toIntVector(), data["groups"].toInt(), data["deform_groups"].toInt());
    return {input, offset, weight, {}, {}, {}, {}, {}};
  }
};

Tensor forward_autograd(
    const Tensor& input, const Tensor& offset, const Tensor& weight, IntArrayRef stride, IntArrayRef padding,
    IntArrayRef dilation, int64_t groups, int64_t deform_groups) {
  return DeformConv2d::apply(input, offset, weight, stride, padding, dilation, groups, deform_groups);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mx_driving, m) {
  m.def(
      "deform_conv2d(Tensor input, Tensor offset, Tensor weight, int[2] stride=1, int[2] padding=0, "
      "int[2] dilation=1, int groups=1, int deform_groups=1) -> Tensor");
  m.def(
      "deform_conv2d_backward(Tensor grad_output, Tensor input, Tensor offset, Tensor weight, int[2] stride=1, "
      "int[2] padding=0, int[2] dilation=1, int groups=1, int deform_groups=1) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(mx_driving, Meta, m) {
  m.impl("deform_conv2d", TORCH_FN(forward_meta));
  m.impl("deform_conv2d_backward", TORCH_FN(backward_meta));
}

TORCH_LIBRARY_IMPL(mx_driving, Autograd, m) {
  m.impl("deform_conv2d", TORCH_FN(forward_autograd));
  m.impl("deform_conv2d_backward", torch::autograd::autogradNotImplementedFallback());
}

} // namespace mx_driving
