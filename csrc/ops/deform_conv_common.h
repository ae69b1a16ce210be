// What deform_conv2d (v1) and modulated_deform_conv2d (v2) share on every backend: arguments, checks, output size.
#pragma once

#include "../common/checks.h"
#include "../common/optional_tensor.h"

#include <vector>

namespace mx_driving {

struct DeformConvArgs {
  at::IntArrayRef stride, padding, dilation; // (height, width) each
  int64_t groups, deform_groups;
};

// The tensors of one call. mask and bias are undefined where the operator has none.
struct DeformConvTensors {
  const char* op; // named in the messages
  at::Tensor input, offset, mask, weight, bias;
};

inline void check_arguments(const char* op, const DeformConvArgs& args) {
  check_pair(op, "stride", args.stride, 1);
  check_pair(op, "padding", args.padding, 0);
  check_pair(op, "dilation", args.dilation, 1);
  TORCH_CHECK(args.groups >= 1, op, ": groups must be >= 1, got ", args.groups);
  TORCH_CHECK(args.deform_groups >= 1, op, ": deform_groups must be >= 1, got ", args.deform_groups);
}

inline void check_channels(const DeformConvTensors& t, const DeformConvArgs& args) {
  const auto channels = t.input.sym_size(1), outputs = t.weight.sym_size(0);
  TORCH_CHECK(
      channels == t.weight.sym_size(1) * args.groups, t.op,
      ": weight must be [O, C / groups, kh, kw] with C = ", channels, " and groups = ", args.groups, ", got ",
      t.weight.sym_sizes());
  TORCH_CHECK(
      outputs % args.groups == 0, t.op, ": groups must divide the output channels, ", outputs, ", got ", args.groups);
  TORCH_CHECK(
      channels % args.deform_groups == 0, t.op, ": deform_groups must divide the input channels, ", channels, ", got ",
      args.deform_groups);
}

// Height (axis 0) or width (axis 1) of the output.
inline c10::SymInt output_extent(const DeformConvTensors& t, const DeformConvArgs& args, int axis) {
  const auto extent = t.input.sym_size(2 + axis) + 2 * args.padding[axis];
  const auto kernel = args.dilation[axis] * (t.weight.sym_size(2 + axis) - 1) + 1;
  TORCH_CHECK(
      extent >= kernel, t.op, ": the padded input must be at least as large as the dilated kernel, ", kernel, ", got ",
      extent, " along ", axis == 0 ? "height" : "width");
  return (extent - kernel) / args.stride[axis] + 1;
}

// Checks one call and returns the size of the output, [N, O, Ho, Wo].
inline std::vector<c10::SymInt> check_deform_conv(const DeformConvTensors& t, const DeformConvArgs& args) {
  check_floating(t.op, "input", t.input);
  check_floating(t.op, "offset", t.offset);
  check_dim(t.op, "input", t.input, 4, "[N, C, H, W]");
  check_dim(t.op, "weight", t.weight, 4, "[O, C / groups, kh, kw]");
  check_arguments(t.op, args);
  check_channels(t, args);
  const auto batch = t.input.sym_size(0), outputs = t.weight.sym_size(0);
  const auto taps = t.weight.sym_size(2) * t.weight.sym_size(3) * args.deform_groups;
  TORCH_CHECK(taps > 0, t.op, ": the kernel must not be empty, got weight ", t.weight.sym_sizes());
  const auto height = output_extent(t, args, 0), width = output_extent(t, args, 1);
  check_shape(t.op, "offset", t.offset, {batch, taps * 2, height, width}, "[N, deform_groups * kh * kw * 2, Ho, Wo]");
  check_like(t.op, "offset", t.offset, "input", t.input);
  check_like(t.op, "weight", t.weight, "input", t.input);
  if (t.mask.defined()) {
    check_shape(t.op, "mask", t.mask, {batch, taps, height, width}, "[N, deform_groups * kh * kw, Ho, Wo]");
    check_like(t.op, "mask", t.mask, "input", t.input);
  }
  if (t.bias.defined()) {
    check_shape(t.op, "bias", t.bias, {outputs}, "[O]");
    check_like(t.op, "bias", t.bias, "input", t.input);
  }
  return {batch, outputs, height, width};
}

// The same for a backward call.
inline void check_deform_conv_backward(
    const DeformConvTensors& t, const DeformConvArgs& args, const at::Tensor& grad_output) {
  const auto size = check_deform_conv(t, args);
  check_shape(t.op, "grad_output", grad_output, {size[0], size[1], size[2], size[3]}, "[N, O, Ho, Wo]");
  check_like(t.op, "grad_output", grad_output, "input", t.input);
}

} // namespace mx_driving
