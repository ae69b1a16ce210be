// What deform_conv2d (v1) and modulated_deform_conv2d (v2) share on every backend: arguments, checks, output size.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <vector>

namespace mx_driving {

// std::optional or c10::optional, whichever this torch uses in its own signatures.
using OptionalTensor = decltype(std::declval<c10::IValue>().toOptional<at::Tensor>());

struct DeformConvArgs {
  at::IntArrayRef stride, padding, dilation; // (height, width) each
  int64_t groups, deform_groups;
};

// The tensors of one call. mask and bias are undefined where the operator has none.
struct DeformConvTensors {
  const char* op; // named in the messages
  at::Tensor input, offset, mask, weight, bias;
};

// Checks one call and returns the size of the output, [N, O, Ho, Wo].
std::vector<c10::SymInt> check_deform_conv(const DeformConvTensors& t, const DeformConvArgs& args);

// The same for a backward call.
void check_deform_conv_backward(const DeformConvTensors& t, const DeformConvArgs& args, const at::Tensor& grad_output);

} // namespace mx_driving
