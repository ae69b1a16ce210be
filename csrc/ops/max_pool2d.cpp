// max_pool2d (floor mode, no dilation): schema, checks, Meta kernel and autograd.
#include "max_pool2d.h"

#include "../common/dispatch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

using at::IntArrayRef;
using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::tuple<Tensor, Tensor> forward_meta(
    const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding) {
  const auto sizes = max_pool2d_output_size(input, kernel_size, stride, padding);
  const Tensor output = at::empty_symint(sizes, input.options().memory_format(input.suggest_memory_format()));
  return {output, at::empty_like(output, output.options().dtype(at::kLong))};
}

Tensor backward_meta(
    const Tensor& grad_output, const Tensor& input, const Tensor& indices, IntArrayRef kernel_size, IntArrayRef stride,
    IntArrayRef padding) {
  check_max_pool2d_indices(indices, max_pool2d_output_size(input, kernel_size, stride, padding));
  return max_pool2d_gradient(grad_output, input, indices, kernel_size, stride, padding);
}

using Backward = decltype(backward_meta);

Tensor call_backward(
    const Tensor& grad_output, const Tensor& input, const Tensor& indices, IntArrayRef kernel_size, IntArrayRef stride,
    IntArrayRef padding) {
  static const auto op = find_operator<Backward>("mx_driving::max_pool2d_backward");
  return op.call(grad_output, input, indices, kernel_size, stride, padding);
}

// Where the gradient is differentiated itself, ATen's operator is what is recorded.
Tensor backward_autograd(
    const Tensor& grad_output, const Tensor& input, const Tensor& indices, IntArrayRef kernel_size, IntArrayRef stride,
    IntArrayRef padding) {
  if (at::GradMode::is_enabled() && (grad_output.requires_grad() || input.requires_grad())) {
    return max_pool2d_gradient(grad_output, input, indices, kernel_size, stride, padding);
  }
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  return call_backward(grad_output, input, indices, kernel_size, stride, padding);
}

struct MaxPool2d : torch::autograd::Function<MaxPool2d> {
  // The indices are handed out beside the results: compiled autograd takes no Function that marks one of its results
  // as not differentiable.
  static Tensor forward(
      AutogradContext* ctx, const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding,
      Tensor* indices) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    static const auto op = find_operator<decltype(forward_meta)>("mx_driving::max_pool2d");
    const auto [output, found] = op.call(input, kernel_size, stride, padding);
    *indices = found;
    ctx->save_for_backward({input, found});
    ctx->saved_data["kernel_size"] = kernel_size;
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["padding"] = padding;
    return output;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    const auto saved = ctx->get_saved_variables();
    const auto kernel_size = ctx->saved_data["kernel_size"].toIntVector();
    const auto stride = ctx->saved_data["stride"].toIntVector();
    const auto padding = ctx->saved_data["padding"].toIntVector();
    return {call_backward(grad_outputs[0], saved[0], saved[1], kernel_size, stride, padding), {}, {}, {}, {}};
  }
};

std::tuple<Tensor, Tensor> forward_autograd(
    const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding) {
  Tensor indices;
  const Tensor output = MaxPool2d::apply(input, kernel_size, stride, padding, &indices);
  return {output, indices};
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mx_driving, m) {
  m.def(
      "max_pool2d(Tensor input, int[2] kernel_size=3, int[2] stride=2, int[2] padding=1) "
      "-> (Tensor output, Tensor indices)");
  m.def(
      "max_pool2d_backward(Tensor grad_output, Tensor input, Tensor indices, int[2] kernel_size, int[2] stride, "
      "int[2] padding) -> Tensor");
}

TORCH_LIBRARY_IMPL(mx_driving, Meta, m) {
  m.impl("max_pool2d", TORCH_FN(forward_meta));
  m.impl("max_pool2d_backward", TORCH_FN(backward_meta));
}

TORCH_LIBRARY_IMPL(mx_driving, CompositeExplicitAutograd, m) {
  m.impl("max_pool2d_backward", TORCH_FN(max_pool2d_gradient));
}

TORCH_LIBRARY_IMPL(mx_driving, Autograd, m) {
  m.impl("max_pool2d", TORCH_FN(forward_autograd));
  m.impl("max_pool2d_backward", TORCH_FN(backward_autograd));
}

} // namespace mx_driving
