// add_relu_(x, y): x becomes relu(x + y). Schema, checks, autograd, and the kernel of devices without one of their own.
#include "../common/checks.h"
#include "../common/dispatch.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/threshold_backward.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Returns nothing: torch.compile's functionalisation refuses operators of others that return what they write to.
void add_relu_(const Tensor& x, const Tensor& y) {
  x.add_(y).relu_();
}

void call_below_autograd(const Tensor& x, const Tensor& y) {
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  static const auto op = find_operator<decltype(add_relu_)>("mx_driving::add_relu_");
  op.call(x, y);
}

struct AddReluInPlace : torch::autograd::Function<AddReluInPlace> {
  static constexpr bool is_traceable = true; // for compiled autograd: the backward pass is torch operators alone

  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& y) {
    call_below_autograd(x, y);
    ctx->mark_dirty({x});
    ctx->save_for_backward({x});
    return x;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    const Tensor grad = at::threshold_backward(grad_outputs[0], ctx->get_saved_variables()[0], 0);
    return {grad, grad};
  }
};

void forward_autograd(const Tensor& x, const Tensor& y) {
  check_floating("add_relu_", "x", x);
  check_like("add_relu_", "y", y, "x", x);
  TORCH_CHECK(
      x.sym_sizes() == y.sym_sizes(), "add_relu_: y must have the shape of x, ", x.sym_sizes(), ", got ",
      y.sym_sizes());
  if (at::GradMode::is_enabled() && (x.requires_grad() || y.requires_grad())) {
    AddReluInPlace::apply(x, y);
    // The list has done its work; compiled autograd refuses every node that still has one.
    if (auto* node = dynamic_cast<torch::autograd::CppNode<AddReluInPlace>*>(x.grad_fn().get())) {
      node->ctx_.mark_dirty({});
    }
    return;
  }
  call_below_autograd(x, y);
  if (!x.is_inference()) {
    torch::autograd::impl::bump_version(x);
  }
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mx_driving, m) {
  m.def("add_relu_(Tensor(a!) x, Tensor y) -> ()");
}

TORCH_LIBRARY_IMPL(mx_driving, CompositeExplicitAutograd, m) {
  m.impl("add_relu_", TORCH_FN(add_relu_));
}

TORCH_LIBRARY_IMPL(mx_driving, Autograd, m) {
  m.impl("add_relu_", TORCH_FN(forward_autograd));
}

} // namespace mx_driving
