// add_relu(x, y) = relu(x + y): schema, checks, Meta kernel and autograd.
#include "add_relu.h"

#include "../common/dispatch.h"

#include <ATen/ops/threshold_backward.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void check_backward(const Tensor& grad_output, const Tensor& output) {
  TORCH_CHECK(
      grad_output.sym_sizes() == output.sym_sizes(), "add_relu: grad_output must have the shape of the result, ",
      output.sym_sizes(), ", got ", grad_output.sym_sizes());
  check_like("add_relu", "grad_output", grad_output, "the result", output);
}

// One kernel for every backend, and for the gradient's own gradient: it consists of ATen's operators.
Tensor gradient(const Tensor& grad_output, const Tensor& output) {
  check_backward(grad_output, output);
  return at::threshold_backward(grad_output, output, 0).contiguous(output.suggest_memory_format());
}

struct AddRelu : torch::autograd::Function<AddRelu> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& y) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    static const auto op = find_operator<decltype(empty_add_relu)>("mx_driving::add_relu");
    const Tensor output = op.call(x, y);
    ctx->save_for_backward({output});
    return output;
  }

  // A broadcast operand gets the same gradient: the engine sums it over the broadcast dimensions.
  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    static const auto op = find_operator<decltype(gradient)>("mx_driving::add_relu_backward");
    const Tensor grad = op.call(grad_outputs[0], ctx->get_saved_variables()[0]);
    return {grad, grad};
  }
};

Tensor forward_autograd(const Tensor& x, const Tensor& y) {
  return AddRelu::apply(x, y);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mx_driving, m) {
  m.def("add_relu(Tensor x, Tensor y) -> Tensor");
  m.def("add_relu_backward(Tensor grad_output, Tensor output) -> Tensor");
}

TORCH_LIBRARY_IMPL(mx_driving, Meta, m) {
  m.impl("add_relu", TORCH_FN(empty_add_relu));
}

TORCH_LIBRARY_IMPL(mx_driving, CompositeImplicitAutograd, m) {
  m.impl("add_relu_backward", TORCH_FN(gradient));
}

TORCH_LIBRARY_IMPL(mx_driving, Autograd, m) {
  m.impl("add_relu", TORCH_FN(forward_autograd));
}

} // namespace mx_driving
