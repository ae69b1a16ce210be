// Deformable convolution as CANN divides it: DeformableOffsets gathers the deformed samples, k x k for each output
// pixel, and a plain convolution with stride k follows. Written from the operator descriptions published in
// ops-nn (conv/deformable_offsets, conv/deformable_conv2d) and ops-cv (image/deformable_offsets_grad).
#include "emulator/operator.h"
#include "emulator/operators/vision/bilinear.h"
#include "emulator/runtime/aclop.h"

namespace emulator::operators {

struct Geometry {
  int64_t kernel[2], stride[2], pad_top, pad_left, dilation[2], groups;
};

// Positions of one axis without offsets, [kernel, output]: output * stride + tap * dilation - pad.
static at::Tensor base_positions(int64_t kernel, int64_t output, int64_t stride, int64_t dilation, int64_t pad) {
  return at::arange(kernel).mul_(dilation).unsqueeze(1) + at::arange(output).mul_(stride).unsqueeze(0) - pad;
}

// x [N, C, H, W], offsets [N, 3 * groups * kh * kw, oh, ow]: all x offsets, then all y offsets, then the masks.
// Returns [N, C, oh * kh, ow * kw].
static at::Tensor deformed_samples(const at::Tensor& x, const at::Tensor& offsets, const Geometry& g) {
  const auto batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  const auto kh = g.kernel[0], kw = g.kernel[1], oh = offsets.size(2), ow = offsets.size(3);
  const auto parts = offsets.view({batch, 3, g.groups, kh, kw, oh, ow});
  const auto rows = base_positions(kh, oh, g.stride[0], g.dilation[0], g.pad_top).view({kh, 1, oh, 1});
  const auto columns = base_positions(kw, ow, g.stride[1], g.dilation[1], g.pad_left).view({1, kw, 1, ow});
  const auto flat = [&](const at::Tensor& t) { return t.reshape({batch * g.groups, kh * kw * oh * ow}); };
  const auto column = flat(parts.select(1, 0) + columns), row = flat(parts.select(1, 1) + rows);
  const auto mask = flat(parts.select(1, 2)).unsqueeze(1);
  const auto pixels = x.reshape({batch * g.groups, channels / g.groups, height * width});
  const auto samples = bilinear(pixels, row, column, height, width) * mask;
  return samples.view({batch, channels, kh, kw, oh, ow}).permute({0, 1, 4, 2, 5, 3}).reshape({batch, channels, oh * kh, ow * kw});
}

static std::vector<at::Tensor> deformed_samples_backward(const at::Tensor& grad, const at::Tensor& x,
                                                         const at::Tensor& offsets, const Geometry& g) {
  return differentiate([&](const auto& inputs) { return deformed_samples(inputs[0], inputs[1], g); }, {x, offsets}, grad);
}

// pads are top, bottom, left, right; strides and dilations carry one value for every axis of the data format.
static Geometry geometry(at::IntArrayRef kernel, at::IntArrayRef stride, at::IntArrayRef padding,
                         at::IntArrayRef dilation, int64_t groups, int64_t height_axis) {
  const auto h = height_axis, w = height_axis + 1;
  return {{kernel[0], kernel[1]}, {stride[h], stride[w]}, padding[0], padding[2], {dilation[h], dilation[w]}, groups};
}

static Geometry geometry(const AclopCall& c) {
  TORCH_CHECK(c.attributes.at("modulated").toBool(), "modulated must be true, as CANN requires");
  const int64_t height_axis = c.string("data_format", "NCHW") == "NHWC" ? 1 : 2;
  return geometry(c.ints("ksize"), c.ints("strides"), c.ints("pads"), c.ints("dilations"), c.integer("deformable_groups"),
                  height_axis);
}
static bool is_nhwc(const AclopCall& c) { return c.string("data_format", "NCHW") == "NHWC"; }
static at::Tensor to_nchw(const AclopCall& c, const at::Tensor& t) {
  return is_nhwc(c) ? t.permute({0, 3, 1, 2}).contiguous() : t;
}
static at::Tensor from_nchw(const AclopCall& c, const at::Tensor& t) { return is_nhwc(c) ? t.permute({0, 2, 3, 1}) : t; }

static void deformable_offsets_grad(const AclopCall& c) {
  const auto gradients =
      deformed_samples_backward(to_nchw(c, c.in(0)), to_nchw(c, c.in(1)), to_nchw(c, c.in(2)), geometry(c));
  c.out(0, from_nchw(c, gradients[0]));
  c.out(1, from_nchw(c, gradients[1]));
}
ACLOP("DeformableOffsets", c.out(0, from_nchw(c, deformed_samples(to_nchw(c, c.in(0)), to_nchw(c, c.in(1)), geometry(c)))))
ACLOP("DeformableOffsetsGrad", deformable_offsets_grad(c))

// The newer aclnn pair joins both steps; NCHW only.
static void deformable_conv2d(In x, In weight, In offset, OptIn bias, const Geometry& g, i64 groups, Out out,
                              Out samples_out) {
  const auto samples = deformed_samples(x().contiguous(), offset().contiguous(), g);
  samples_out = samples;
  out = at::convolution(samples, weight, bias, g.kernel, {0, 0}, {1, 1}, false, {0, 0}, groups);
}
OPERATOR(aclnnDeformableConv2d,
         (In x, In weight, In offset, OptIn bias, Ints kernel, Ints stride, Ints padding, Ints dilation, i64 groups,
          i64 deformable_groups, bool /*modulated*/, Out out, Out samples),
         deformable_conv2d(x, weight, offset, bias, geometry(kernel, stride, padding, dilation, deformable_groups, 2),
                           groups, out, samples))

static void deformable_conv2d_backward(In x, In grad, In samples, In weight, In offset, const Geometry& g, i64 groups,
                                       Out grad_x, Out grad_weight, Out grad_offset, Out grad_bias) {
  const auto [grad_samples, for_weight, for_bias] =
      at::convolution_backward(grad, samples, weight, at::IntArrayRef{weight().size(0)}, g.kernel, {0, 0}, {1, 1},
                               false, {0, 0}, groups, {true, true, true});
  const auto gradients = deformed_samples_backward(grad_samples, x().contiguous(), offset().contiguous(), g);
  grad_x = gradients[0];
  grad_offset = gradients[1];
  grad_weight = for_weight;
  grad_bias = for_bias;
}
OPERATOR(aclnnDeformableConv2dBackward,
         (In x, In grad, In samples, In weight, In offset, Ints kernel, Ints stride, Ints padding, Ints dilation,
          i64 groups, i64 deformable_groups, bool /*modulated*/, Out grad_x, Out grad_weight, Out grad_offset,
          Out grad_bias),
         deformable_conv2d_backward(x, grad, samples, weight, offset,
                                    geometry(kernel, stride, padding, dilation, deformable_groups, 2), groups, grad_x,
                                    grad_weight, grad_offset, grad_bias))

}  // namespace emulator::operators
