// Multi-scale deformable attention: schema, checks, Meta kernel and autograd. Kernels register themselves elsewhere.
#include "ms_deform_attn.h"

#include "../common/dispatch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/grid_sampler.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor forward_meta(
    const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations, const Tensor& weights) {
  check_ms_deform_attn(value, shapes, starts, locations, weights);
  return at::empty_symint(
      {value.sym_size(0), locations.sym_size(1), value.sym_size(2) * value.sym_size(3)}, value.options());
}

std::tuple<Tensor, Tensor, Tensor> backward_meta(
    const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations, const Tensor& weights,
    const Tensor& grad_output) {
  check_ms_deform_attn_backward(value, shapes, starts, locations, weights, grad_output);
  return {
      at::empty_symint(value.sym_sizes(), value.options()),
      at::empty_symint(locations.sym_sizes(), locations.options()),
      at::empty_symint(weights.sym_sizes(), weights.options())};
}

std::tuple<Tensor, Tensor, Tensor> call_backward(
    const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations, const Tensor& weights,
    const Tensor& grad_output) {
  static const auto op = find_operator<decltype(backward_meta)>("mx_driving::ms_deform_attn_backward");
  return op.call(value, shapes, starts, locations, weights, grad_output);
}

struct MsDeformAttn : torch::autograd::Function<MsDeformAttn> {
  static Tensor forward(
      AutogradContext* ctx, const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations,
      const Tensor& weights) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    ctx->save_for_backward({value, shapes, starts, locations, weights});
    static const auto op = find_operator<decltype(forward_meta)>("mx_driving::ms_deform_attn");
    return op.call(value, shapes, starts, locations, weights);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    const auto saved = ctx->get_saved_variables();
    auto [value, locations, weights] = call_backward(saved[0], saved[1], saved[2], saved[3], saved[4], grad_outputs[0]);
    return {value, Tensor(), Tensor(), locations, weights};
  }
};

Tensor forward_autograd(
    const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations, const Tensor& weights) {
  return MsDeformAttn::apply(value, shapes, starts, locations, weights);
}

// The operator out of ATen's, as mmcv's torch function has it: what can be differentiated of it, can be here.
Tensor composite(
    const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations, const Tensor& weights) {
  const int64_t batch = value.size(0), heads = value.size(2), channels = value.size(3), queries = locations.size(1);
  const Tensor grids = 2 * locations - 1;
  std::vector<Tensor> samples;
  for (int64_t level = 0; level < shapes.size(0); ++level) {
    const int64_t height = shapes[level][0].item<int64_t>(), width = shapes[level][1].item<int64_t>();
    const Tensor image = value.narrow(1, starts[level].item<int64_t>(), height * width)
                             .flatten(2)
                             .transpose(1, 2)
                             .reshape({batch * heads, channels, height, width});
    const Tensor grid = grids.select(3, level).transpose(1, 2).flatten(0, 1);
    samples.push_back(at::grid_sampler(image, grid, /*bilinear*/ 0, /*zeros*/ 0, /*align_corners=*/false));
  }
  const Tensor factors = weights.transpose(1, 2).reshape({batch * heads, 1, queries, -1});
  return (at::stack(samples, -2).flatten(-2) * factors)
      .sum(-1)
      .view({batch, heads * channels, queries})
      .transpose(1, 2);
}

// A tensor that requires a gradient and passes it on to t.
Tensor differentiable(const Tensor& t) {
  return t.requires_grad() ? t.view_as(t) : t.detach().requires_grad_();
}

// Where the gradient is differentiated itself, it is taken of the composite.
std::tuple<Tensor, Tensor, Tensor> backward_autograd(
    const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations, const Tensor& weights,
    const Tensor& grad_output) {
  const bool recorded = value.requires_grad() || locations.requires_grad() || weights.requires_grad();
  if (!at::GradMode::is_enabled() || !(recorded || grad_output.requires_grad())) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    return call_backward(value, shapes, starts, locations, weights, grad_output);
  }
  check_ms_deform_attn_backward(value, shapes, starts, locations, weights, grad_output);
  const variable_list inputs{differentiable(value), differentiable(locations), differentiable(weights)};
  const Tensor output = composite(inputs[0], shapes, starts, inputs[1], inputs[2]);
  const auto grads =
      torch::autograd::grad({output}, inputs, {grad_output}, /*retain_graph=*/true, /*create_graph=*/true);
  return {grads[0], grads[1], grads[2]};
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mx_driving, m) {
  m.def(
      "ms_deform_attn(Tensor value, Tensor spatial_shapes, Tensor level_start_index, Tensor sampling_locations, "
      "Tensor attention_weights) -> Tensor");
  m.def(
      "ms_deform_attn_backward(Tensor value, Tensor spatial_shapes, Tensor level_start_index, "
      "Tensor sampling_locations, Tensor attention_weights, Tensor grad_output) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(mx_driving, Meta, m) {
  m.impl("ms_deform_attn", TORCH_FN(forward_meta));
  m.impl("ms_deform_attn_backward", TORCH_FN(backward_meta));
}

TORCH_LIBRARY_IMPL(mx_driving, Autograd, m) {
  m.impl("ms_deform_attn", TORCH_FN(forward_autograd));
  m.impl("ms_deform_attn_backward", TORCH_FN(backward_autograd));
}

} // namespace mx_driving
