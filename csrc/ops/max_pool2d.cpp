// max_pool2d (floor mode, no dilation): schema, checks, Meta kernel and autograd.
#include "max_pool2d.h"

#include "../common/checks.h"
#include "../common/dispatch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

using at::IntArrayRef;
using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr const char* kOp = "max_pool2d";

std::tuple<Tensor, Tensor> forward_meta(
    const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding) {
  const auto sizes = max_pool2d_output_size(input, kernel_size, stride, padding);
  const Tensor output = at::empty_symint(sizes, input.options().memory_format(input.suggest_memory_format()));
  return {output, at::empty_like(output, output.options().dtype(at::kLong))};
}

Tensor backward_meta(
    const Tensor& grad_output, const Tensor& input, const Tensor& indices, IntArrayRef kernel_size, IntArrayRef stride,
    IntArrayRef padding) {
  check_max_pool2d_backward(grad_output, input, indices, kernel_size, stride, padding);
  return at::empty_symint(input.sym_sizes(), input.options().memory_format(input.suggest_memory_format()));
}

struct MaxPool2d : torch::autograd::Function<MaxPool2d> {
  static variable_list forward(
      AutogradContext* ctx, const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    static const auto op = find_operator<decltype(forward_meta)>("mx_driving::max_pool2d");
    auto [output, indices] = op.call(input, kernel_size, stride, padding);
    ctx->save_for_backward({input, indices});
    ctx->mark_non_differentiable({indices});
    ctx->saved_data["kernel_size"] = kernel_size;
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["padding"] = padding;
    return {output, indices};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    static const auto op = find_operator<decltype(backward_meta)>("mx_driving::max_pool2d_backward");
    const auto saved = ctx->get_saved_variables();
    const auto kernel_size = ctx->saved_data["kernel_size"].toIntVector();
    const auto stride = ctx->saved_data["stride"].toIntVector();
    const auto padding = ctx->saved_data["padding"].toIntVector();
    return {op.call(grad_outputs[0], saved[0], saved[1], kernel_size, stride, padding), Tensor(), Tensor(), Tensor()};
  }
};

std::tuple<Tensor, Tensor> forward_autograd(
    const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding) {
  const auto outputs = MaxPool2d::apply(input, kernel_size, stride, padding);
  return {outputs[0], outputs[1]};
}

} // namespace

std::vector<c10::SymInt> max_pool2d_output_size(
    const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding) {
  check_floating(kOp, "input", input);
  check_dim(kOp, "input", input, 4, "[N, C, H, W]");
  check_pair(kOp, "kernel_size", kernel_size, 1);
  check_pair(kOp, "stride", stride, 1);
  check_pair(kOp, "padding", padding, 0);
  std::vector<c10::SymInt> sizes = input.sym_sizes().vec();
  for (int i = 0; i < 2; ++i) {
    TORCH_CHECK(
        2 * padding[i] <= kernel_size[i], kOp, ": padding must be at most half of kernel_size, ", kernel_size, ", got ",
        padding);
    TORCH_CHECK(
        sizes[i + 2] + 2 * padding[i] >= kernel_size[i], kOp,
        ": the padded input must be at least as large as kernel_size, ", kernel_size, ", got input ", input.sym_sizes(),
        " and padding ", padding);
    sizes[i + 2] = (sizes[i + 2] + 2 * padding[i] - kernel_size[i]) / stride[i] + 1;
  }
  return sizes;
}

void check_max_pool2d_backward(
    const Tensor& grad_output, const Tensor& input, const Tensor& indices, IntArrayRef kernel_size, IntArrayRef stride,
    IntArrayRef padding) {
  const auto size = max_pool2d_output_size(input, kernel_size, stride, padding);
  check_shape(kOp, "grad_output", grad_output, {size[0], size[1], size[2], size[3]}, "[N, C, Ho, Wo]");
  check_shape(kOp, "indices", indices, {size[0], size[1], size[2], size[3]}, "[N, C, Ho, Wo]");
  check_like(kOp, "grad_output", grad_output, "input", input);
  TORCH_CHECK(indices.scalar_type() == at::kLong, kOp, ": indices must be int64, got ", indices.scalar_type());
}

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

TORCH_LIBRARY_IMPL(mx_driving, Autograd, m) {
  m.impl("max_pool2d", TORCH_FN(forward_autograd));
  m.impl("max_pool2d_backward", torch::autograd::autogradNotImplementedFallback());
}

} // namespace mx_driving
