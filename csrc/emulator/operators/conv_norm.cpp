// Convolution and normalisation with their gradients.
#include "emulator/operator.h"

namespace emulator::operators {

OPERATOR(aclnnConvolution,
         (In x, In weight, OptIn bias, Ints stride, Ints padding, Ints dilation, bool transposed, Ints output_padding,
          i64 groups, Out out, int8_t),
         out = at::convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups))
OPERATOR(aclnnConvolutionBackward,
         (In grad, In x, In weight, Ints bias_sizes, Ints stride, Ints padding, Ints dilation, bool transposed,
          Ints output_padding, int groups, Mask wanted, int8_t, Out grad_x, Out grad_weight, Out grad_bias),
         outs(grad_x, grad_weight, grad_bias) =
             at::convolution_backward(grad, x, weight, bias_sizes.or_all(), stride, padding, dilation, transposed,
                                      output_padding, groups, wanted))

OPERATOR(aclnnBatchNorm,
         (In x, OptIn weight, OptIn bias, OptIn running_mean, OptIn running_var, bool training, double momentum,
          double epsilon, Out out, Out mean, Out inverse_std),
         const auto result =
             at::native_batch_norm(x, weight, bias, running_mean, running_var, training, momentum, epsilon);
         out = std::get<0>(result);
         if (training) outs(mean, inverse_std) = std::make_tuple(std::get<1>(result), std::get<2>(result)))
OPERATOR(aclnnBatchNormBackward,
         (In grad, In x, OptIn weight, OptIn running_mean, OptIn running_var, OptIn mean, OptIn inverse_std,
          bool training, double epsilon, Mask wanted, Out grad_x, Out grad_weight, Out grad_bias),
         outs(grad_x, grad_weight, grad_bias) = at::native_batch_norm_backward(
             grad, x, weight, running_mean, running_var, mean, inverse_std, training, epsilon, wanted))

OPERATOR(aclnnLayerNorm,
         (In x, Ints shape, OptIn weight, OptIn bias, double epsilon, Out out, Out mean, Out inverse_std),
         outs(out, mean, inverse_std) = at::native_layer_norm(x, shape(), weight, bias, epsilon))
OPERATOR(aclnnLayerNormBackward,
         (In grad, In x, Ints shape, In mean, In inverse_std, OptIn weight, OptIn bias, Mask wanted, Out grad_x,
          Out grad_weight, Out grad_bias),
         outs(grad_x, grad_weight, grad_bias) =
             at::native_layer_norm_backward(grad, x, shape(), mean, inverse_std, weight, bias, wanted))

OPERATOR(aclnnGroupNorm,
         (In x, OptIn weight, OptIn bias, i64 batch, i64 channels, i64 pixels, i64 groups, double epsilon, Out out,
          Out mean, Out inverse_std),
         outs(out, mean, inverse_std) = at::native_group_norm(x().contiguous(), weight, bias, batch, channels, pixels,
                                                              groups, epsilon))
OPERATOR(aclnnGroupNormBackward,
         (In grad, In x, In mean, In inverse_std, OptIn weight, i64 batch, i64 channels, i64 pixels, i64 groups,
          Mask wanted, Out grad_x, Out grad_weight, Out grad_bias),
         outs(grad_x, grad_weight, grad_bias) =
             at::native_group_norm_backward(grad().contiguous(), x().contiguous(), mean, inverse_std, weight, batch,
                                            channels, pixels, groups, wanted))

}  // namespace emulator::operators
