// Schema and shapes of ``indice_conv``; its gradient is joined to it in Python, for all devices alike.
#include "indice_conv.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/library.h>

#include <tuple>

namespace mx_driving {
namespace {

using at::Tensor;

Tensor forward_meta(
    const Tensor& features, const Tensor& weights, const Tensor& pairs, const Tensor& numbers, int64_t rows,
    bool inverse, bool subm) {
  check_indice_conv(features, weights, pairs, numbers);
  return at::empty_symint({c10::SymInt(rows), weights.sym_size(2)}, features.options());
}

std::tuple<Tensor, Tensor> backward_meta(
    const Tensor& grad, const Tensor& features, const Tensor& weights, const Tensor& pairs, const Tensor& numbers,
    bool inverse, bool subm) {
  check_indice_conv(features, weights, pairs, numbers);
  return {
      at::empty_symint(features.sym_sizes(), features.options()),
      at::empty_symint(weights.sym_sizes(), weights.options())};
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mx_driving, m) {
  m.def(
      "indice_conv(Tensor features, Tensor weights, Tensor indice_pairs, Tensor indice_pair_num, int num_act_out, "
      "bool inverse, bool subm) -> Tensor");
  m.def(
      "indice_conv_backward(Tensor grad_output, Tensor features, Tensor weights, Tensor indice_pairs, "
      "Tensor indice_pair_num, bool inverse, bool subm) -> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(mx_driving, Meta, m) {
  m.impl("indice_conv", TORCH_FN(forward_meta));
  m.impl("indice_conv_backward", TORCH_FN(backward_meta));
}

TORCH_LIBRARY_IMPL(mx_driving, Autograd, m) {
  m.impl("indice_conv", torch::autograd::autogradNotImplementedFallback());
  m.impl("indice_conv_backward", torch::autograd::autogradNotImplementedFallback());
}

} // namespace mx_driving
