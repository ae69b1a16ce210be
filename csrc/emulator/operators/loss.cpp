// Losses and their gradients. "reduction" counts as torch does: none, mean, sum.
#include "emulator/operator.h"

namespace emulator::operators {

OPERATOR(aclnnNLLLoss, (In a, In target, OptIn weight, i64 reduction, i64 ignore, Out out, Out total),
         outs(out, total) = at::nll_loss_forward(a, target().to(at::kLong), weight, reduction, ignore))
OPERATOR(aclnnNLLLossBackward,
         (In grad, In a, In target, OptIn weight, i64 reduction, i64 ignore, In total, Out out),
         out = at::nll_loss_backward(grad, a, target().to(at::kLong), weight, reduction, ignore, total))
OPERATOR(aclnnNLLLoss2d, (In a, In target, OptIn weight, i64 reduction, i64 ignore, Out out, Out total),
         outs(out, total) = at::nll_loss2d_forward(a, target().to(at::kLong), weight, reduction, ignore))
OPERATOR(aclnnNLLLoss2dBackward,
         (In grad, In a, In target, OptIn weight, i64 reduction, i64 ignore, In total, Out out),
         out = at::nll_loss2d_backward(grad, a, target().to(at::kLong), weight, reduction, ignore, total))

OPERATOR(aclnnMseLoss, (In a, In target, i64 reduction, Out out), out = at::mse_loss(a, target, reduction))
OPERATOR(aclnnMseLossBackward, (In grad, In a, In target, i64 reduction, Out out),
         out = at::mse_loss_backward(grad, a, target, reduction))
OPERATOR(aclnnL1Loss, (In a, In target, i64 reduction, Out out), out = at::l1_loss(a, target, reduction))
static at::Tensor l1_loss_backward(const at::Tensor& grad, const at::Tensor& difference, i64 reduction) {
  const auto gradient = difference.sign() * grad;
  return reduction == at::Reduction::Mean ? gradient / difference.numel() : gradient;
}
OPERATOR(aclnnL1LossBackward, (In grad, In a, In target, i64 reduction, Out out),
         out = l1_loss_backward(grad, a() - target(), reduction))
OPERATOR(aclnnSmoothL1Loss, (In a, In target, i64 reduction, float beta, Out out),
         out = at::smooth_l1_loss(a, target, reduction, beta))
OPERATOR(aclnnSmoothL1LossBackward, (In grad, In a, In target, i64 reduction, float beta, Out out),
         out = at::smooth_l1_loss_backward(grad, a, target, reduction, beta))

OPERATOR(aclnnBinaryCrossEntropy, (In a, In target, OptIn weight, i64 reduction, Out out),
         out = at::binary_cross_entropy(a, target, weight, reduction))
OPERATOR(aclnnBinaryCrossEntropyBackward, (In grad, In a, In target, OptIn weight, i64 reduction, Out out),
         out = at::binary_cross_entropy_backward(grad, a, target, weight, reduction))
OPERATOR(aclnnBinaryCrossEntropyWithLogits,
         (In a, In target, OptIn weight, OptIn positive_weight, i64 reduction, Out out),
         out = at::binary_cross_entropy_with_logits(a, target, weight, positive_weight, reduction))

// ATen has no such backward kernel: it differentiates the formula.
static at::Tensor bce_with_logits_backward(In grad, In a, In target, OptIn weight, OptIn positive_weight,
                                           i64 reduction) {
  const auto positive = positive_weight ? positive_weight() * target() : target();
  auto gradient = ((positive + 1 - target()) * at::sigmoid(a) - positive) * grad();
  if (weight) gradient = gradient * weight();
  return reduction == at::Reduction::Mean ? gradient / a().numel() : gradient;
}
OPERATOR(aclnnBinaryCrossEntropyWithLogitsBackward,
         (In grad, In a, In target, OptIn weight, OptIn positive_weight, i64 reduction, Out out),
         out = bce_with_logits_backward(grad, a, target, weight, positive_weight, reduction))

}  // namespace emulator::operators
