// Operators that torch_npu still sends down the older aclop route: copies between layouts, and the convolutions of
// npu_deformable_conv2d and of allow_internal_format=True.
#include "emulator/runtime/aclop.h"

namespace emulator::operators {

ACLOP("Identity", c.out(0, c.in(0)))
ACLOP("Cast", c.out(0, c.in(0)))
ACLOP("TransData", c.out(0, c.in(0)))
ACLOP("Transpose", c.out(0, c.in(0).permute(c.in_ints(1))))
ACLOP("NPUClearFloatStatusV2", )
ACLOP("NPUGetFloatStatusV2", if (c.wants(0)) c.out(0, at::zeros_like(c.outputs[0])))

// Strides and dilations are [N, C, H, W], pads top, bottom, left, right: symmetric in everything torch_npu sends.
static at::Tensor convolution(const AclopCall& c, const at::Tensor& x, const at::Tensor& weight,
                              const std::optional<at::Tensor>& bias) {
  const auto stride = c.ints("strides"), pads = c.ints("pads"), dilation = c.ints("dilations");
  return at::convolution(x, weight, bias, {stride[2], stride[3]}, {pads[0], pads[2]}, {dilation[2], dilation[3]}, false,
                         {0, 0}, c.integer("groups"));
}
static std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(const AclopCall& c, const at::Tensor& grad,
                                                                           const at::Tensor& x,
                                                                           const at::Tensor& weight,
                                                                           std::array<bool, 3> wanted) {
  const auto stride = c.ints("strides"), pads = c.ints("pads"), dilation = c.ints("dilations");
  return at::convolution_backward(grad, x, weight, std::nullopt, {stride[2], stride[3]}, {pads[0], pads[2]},
                                  {dilation[2], dilation[3]}, false, {0, 0}, c.integer("groups"), wanted);
}
ACLOP("Conv2D", c.out(0, convolution(c, c.in(0), c.in(1), c.in(2).defined() ? std::optional(c.in(2)) : std::nullopt)))
// The size of what is asked for comes as data; its values do not matter to a gradient that is linear in them.
ACLOP("Conv2DBackpropInput",
      const auto x = at::zeros_like(c.outputs[0]);
      c.out(0, std::get<0>(convolution_backward(c, c.in(2), x, c.in(1), {true, false, false}))))
ACLOP("Conv2DBackpropFilter",
      const auto weight = at::zeros_like(c.outputs[0]);
      c.out(0, std::get<1>(convolution_backward(c, c.in(2), c.in(0), weight, {false, true, false}))))
// Strided copies between devices. A view is its base tensor, sizes, strides and offset.
static at::Tensor strided(const AclopCall& c, size_t first) {
  return c.in(first).as_strided(c.in_ints(first + 1), c.in_ints(first + 2), c.in_ints(first + 3)[0]);
}
static at::Tensor slice(at::Tensor x, const std::vector<int64_t>& starts, const std::vector<int64_t>& sizes) {
  for (size_t axis = 0; axis < starts.size(); ++axis) x = x.narrow(int64_t(axis), starts[axis], sizes[axis]);
  return x;
}
ACLOP("Slice", c.out(0, slice(c.in(0), c.in_ints(1), c.in_ints(2))))
ACLOP("AsStrided", c.out(0, strided(c, 0)))
ACLOP("ViewCopy", strided(c, 0).copy_(strided(c, 4)))
ACLOP("ReduceSum", c.out(0, c.in(0).sum(c.in_ints(1))))

}  // namespace emulator::operators
