// Pooling, interpolation and sampling on a grid.
#include "emulator/operator.h"

namespace emulator::operators {

static optional<double> scale(double value) { return value > 0 ? optional<double>(value) : std::nullopt; }
static optional<i64> divisor(i64 value) { return value ? optional<i64>(value) : std::nullopt; }

// The layout of the mask is private to the pair of operators, so the backward finds the indices again from x.
OPERATOR(aclnnMaxPool2dWithMask, (In x, Ints kernel, Ints stride, Ints padding, Ints dilation, bool ceil, Out out, Out),
         out = std::get<0>(at::max_pool2d_with_indices(x, kernel, stride, padding, dilation, ceil)))
OPERATOR(aclnnMaxPool2dWithMaskBackward,
         (In grad, In x, In, Ints kernel, Ints stride, Ints padding, Ints dilation, bool ceil, Out out),
         const auto index = std::get<1>(at::max_pool2d_with_indices(x, kernel, stride, padding, dilation, ceil));
         out = at::max_pool2d_with_indices_backward(grad, x, kernel, stride, padding, dilation, ceil, index))
OPERATOR(aclnnMaxPool2dWithIndices,
         (In x, Ints kernel, Ints stride, Ints padding, Ints dilation, bool ceil, Out out, Out index),
         outs(out, index) = at::max_pool2d_with_indices(x, kernel, stride, padding, dilation, ceil))
OPERATOR(aclnnMaxPool2dWithIndicesBackward,
         (In grad, In x, In index, Ints kernel, Ints stride, Ints padding, Ints dilation, bool ceil, Out out),
         out = at::max_pool2d_with_indices_backward(grad, x, kernel, stride, padding, dilation, ceil,
                                                    index().to(at::kLong)))
OPERATOR(aclnnAvgPool2d,
         (In x, Ints kernel, Ints stride, Ints padding, bool ceil, bool count_pad, i64 fixed, int8_t, Out out),
         out = at::avg_pool2d(x, kernel, stride, padding, ceil, count_pad, divisor(fixed)))
OPERATOR(aclnnAvgPool2dBackward,
         (In grad, In x, Ints kernel, Ints stride, Ints padding, bool ceil, bool count_pad, i64 fixed, int8_t, Out out),
         out = at::avg_pool2d_backward(grad, x, kernel, stride, padding, ceil, count_pad, divisor(fixed)))
OPERATOR(aclnnAdaptiveAvgPool2d, (In x, Ints size, Out out), out = at::_adaptive_avg_pool2d(x, size()))
OPERATOR(aclnnAdaptiveAvgPool2dBackward, (In grad, In x, Out out), out = at::_adaptive_avg_pool2d_backward(grad, x))

OPERATOR(aclnnUpsampleNearest2dV2, (In x, Ints size, float high, float wide, Out out),
         out = at::upsample_nearest2d(x, size(), scale(high), scale(wide)))
OPERATOR(aclnnUpsampleNearest2dBackward, (In grad, Ints size, Ints input, double high, double wide, Out out),
         out = at::upsample_nearest2d_backward(grad, size(), input(), scale(high), scale(wide)))
OPERATOR(aclnnUpsampleBilinear2d, (In x, Ints size, bool align, double high, double wide, Out out),
         out = at::upsample_bilinear2d(x, size(), align, scale(high), scale(wide)))
OPERATOR(aclnnUpsampleBilinear2dBackwardV2,
         (In grad, Ints size, Ints input, bool align, double high, double wide, Out out),
         out = at::upsample_bilinear2d_backward(grad, size(), input(), align, scale(high), scale(wide)))

OPERATOR(aclnnGridSampler2D, (In x, In grid, i64 mode, i64 padding, bool align, Out out),
         out = at::grid_sampler_2d(x, grid, mode, padding, align))
OPERATOR(aclnnGridSampler2DBackward,
         (In grad, In x, In grid, i64 mode, i64 padding, bool align, Mask wanted, Out grad_x, Out grad_grid),
         outs(grad_x, grad_grid) = at::grid_sampler_2d_backward(grad, x, grid, mode, padding, align, wanted))

}  // namespace emulator::operators
