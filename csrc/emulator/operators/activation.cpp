// Activations with parameters, softmax, and the gradients of both.
#include "emulator/operator.h"

namespace emulator::operators {

OPERATOR(aclnnThresholdBackward, (In grad, In a, Num threshold, Out out),
         out = at::threshold_backward(grad, a, threshold))
OPERATOR(aclnnSigmoidBackward, (In grad, In y, Out out), out = at::sigmoid_backward(grad, y))
OPERATOR(aclnnTanhBackward, (In grad, In y, Out out), out = at::tanh_backward(grad, y))
OPERATOR(aclnnSilu, (In a, Out out), out = at::silu(a))
OPERATOR(aclnnSiluBackward, (In grad, In a, Out out), out = at::silu_backward(grad, a))
OPERATOR(aclnnGelu, (In a, Out out), out = at::gelu(a))
OPERATOR(aclnnGeluBackward, (In grad, In a, Out out), out = at::gelu_backward(grad, a))
OPERATOR(aclnnLeakyRelu, (In a, Num slope, Out out), out = at::leaky_relu(a, slope))
OPERATOR(aclnnInplaceLeakyRelu, (InOut a, Num slope), a = at::leaky_relu(a, slope))
OPERATOR(aclnnLeakyReluBackward, (In grad, In a, Num slope, bool is_result, Out out),
         out = at::leaky_relu_backward(grad, a, slope, is_result))
OPERATOR(aclnnHardtanh, (In a, Num low, Num high, Out out), out = at::hardtanh(a, low, high))
OPERATOR(aclnnHardtanhBackward, (In grad, In a, Num low, Num high, Out out),
         out = at::hardtanh_backward(grad, a, low, high))
OPERATOR(aclnnSoftplus, (In a, Num beta, Num threshold, Out out), out = at::softplus(a, beta, threshold))

OPERATOR(aclnnSoftmax, (In a, i64 dim, Out out), out = at::softmax(a, dim))
OPERATOR(aclnnSoftmaxBackward, (In grad, In y, i64 dim, Out out),
         out = at::_softmax_backward_data(grad, y, dim, y().scalar_type()))
OPERATOR(aclnnLogSoftmax, (In a, i64 dim, Out out), out = at::log_softmax(a, dim))
OPERATOR(aclnnLogSoftmaxBackward, (In grad, In y, i64 dim, Out out),
         out = at::_log_softmax_backward_data(grad, y, dim, y().scalar_type()))

}  // namespace emulator::operators
