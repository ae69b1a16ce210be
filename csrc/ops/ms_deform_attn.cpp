// Multi-scale deformable attention: schema, checks, Meta kernel and autograd. Kernels register themselves elsewhere.
#include "ms_deform_attn.h"

#include "../common/checks.h"
#include "../common/dispatch.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace mx_driving {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr const char* kOp = "ms_deform_attn";

void check_index(const char* name, const Tensor& tensor, const Tensor& value) {
  TORCH_CHECK(
      tensor.scalar_type() == at::kLong || tensor.scalar_type() == at::kInt, kOp, ": ", name,
      " must be int64 or int32, got ", tensor.scalar_type());
  TORCH_CHECK(
      tensor.device() == value.device(), kOp, ": ", name, " must be on the device of value, ", value.device(), ", got ",
      tensor.device());
}

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
    static const auto op = find_operator<decltype(backward_meta)>("mx_driving::ms_deform_attn_backward");
    const auto saved = ctx->get_saved_variables();
    auto [value, locations, weights] = op.call(saved[0], saved[1], saved[2], saved[3], saved[4], grad_outputs[0]);
    return {value, Tensor(), Tensor(), locations, weights};
  }
};

Tensor forward_autograd(
    const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations, const Tensor& weights) {
  return MsDeformAttn::apply(value, shapes, starts, locations, weights);
}

} // namespace

void check_ms_deform_attn(
    const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations, const Tensor& weights) {
  check_floating(kOp, "value", value);
  check_dim(kOp, "value", value, 4, "[B, S, M, D]");
  check_dim(kOp, "spatial_shapes", shapes, 2, "[L, 2]");
  check_dim(kOp, "sampling_locations", locations, 6, "[B, Q, M, L, P, 2]");
  const auto levels = shapes.sym_size(0);
  const auto batch = value.sym_size(0), heads = value.sym_size(2);
  const auto queries = locations.sym_size(1), points = locations.sym_size(4);
  check_shape(kOp, "spatial_shapes", shapes, {levels, 2}, "[L, 2]");
  check_shape(kOp, "level_start_index", starts, {levels}, "[L]");
  check_shape(kOp, "sampling_locations", locations, {batch, queries, heads, levels, points, 2}, "[B, Q, M, L, P, 2]");
  check_shape(kOp, "attention_weights", weights, {batch, queries, heads, levels, points}, "[B, Q, M, L, P]");
  check_like(kOp, "sampling_locations", locations, "value", value);
  check_like(kOp, "attention_weights", weights, "value", value);
  check_index("spatial_shapes", shapes, value);
  check_index("level_start_index", starts, value);
}

void check_ms_deform_attn_backward(
    const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations, const Tensor& weights,
    const Tensor& grad_output) {
  check_ms_deform_attn(value, shapes, starts, locations, weights);
  check_shape(
      kOp, "grad_output", grad_output,
      {value.sym_size(0), locations.sym_size(1), value.sym_size(2) * value.sym_size(3)}, "[B, Q, M * D]");
  check_like(kOp, "grad_output", grad_output, "value", value);
}

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
  // There is no second derivative: asking for one is an error, not a silent zero.
  m.impl("ms_deform_attn_backward", torch::autograd::autogradNotImplementedFallback());
}

} // namespace mx_driving
