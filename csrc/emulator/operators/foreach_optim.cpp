// Lists of tensors at once, as optimizers, gradient clipping and GradScaler use them.
#include "emulator/operator.h"

namespace emulator::operators {

// EXPRESSION sees i, the index into the lists.
#define FOREACH(NAME, PARAMETERS, EXPRESSION) \
  OPERATOR(aclnnForeach##NAME, PARAMETERS, for (size_t i = 0; i < a.size(); ++i) out[i] = EXPRESSION)

FOREACH(AddScalarV2, (InList a, Num b, OutList out), at::add(a[i], b))
FOREACH(SubScalarV2, (InList a, Num b, OutList out), at::sub(a[i], b))
FOREACH(MulScalarV2, (InList a, Num b, OutList out), at::mul(a[i], b))
FOREACH(DivScalarV2, (InList a, Num b, OutList out), at::div(a[i], b))
FOREACH(AddScalarList, (InList a, Nums b, OutList out), at::add(a[i], b[i]))
FOREACH(MulScalarList, (InList a, Nums b, OutList out), at::mul(a[i], b[i]))
FOREACH(DivScalarList, (InList a, Nums b, OutList out), at::div(a[i], b[i]))
FOREACH(AddListV2, (InList a, InList b, Num alpha, OutList out), at::add(a[i], b[i], alpha))
FOREACH(SubListV2, (InList a, InList b, Num alpha, OutList out), at::sub(a[i], b[i], alpha))
FOREACH(MulList, (InList a, InList b, OutList out), at::mul(a[i], b[i]))
FOREACH(DivList, (InList a, InList b, OutList out), at::div(a[i], b[i]))
FOREACH(MaximumList, (InList a, InList b, OutList out), at::maximum(a[i], b[i]))
FOREACH(LerpScalar, (InList a, InList b, Nums weight, OutList out), at::lerp(a[i], b[i], weight[0]))
FOREACH(AddcmulScalarV2, (InList a, InList b, InList c, Num v, OutList out), at::addcmul(a[i], b[i], c[i], v))
FOREACH(AddcdivScalarV2, (InList a, InList b, InList c, Num v, OutList out), at::addcdiv(a[i], b[i], c[i], v))
FOREACH(PowScalarV2, (InList a, Num b, OutList out), at::pow(a[i], b))
FOREACH(Sqrt, (InList a, OutList out), at::sqrt(a[i]))
FOREACH(Neg, (InList a, OutList out), at::neg(a[i]))
FOREACH(Reciprocal, (InList a, OutList out), at::reciprocal(a[i]))
FOREACH(Abs, (InList a, OutList out), at::abs(a[i]))
FOREACH(Norm, (InList a, Num p, OutList out), at::norm(a[i], p))
FOREACH(Copy, (InList a, OutList out), a[i])
OPERATOR(aclnnForeachZeroInplace, (InList a), for (auto& tensor : a()) tensor.zero_())

static void unscale(InList gradients, InOut found_inf, In inverse_scale) {
  for (auto& gradient : gradients()) {
    if (!at::isfinite(gradient).all().item<bool>()) found_inf().fill_(1);
    gradient.mul_(inverse_scale().item());
  }
}
OPERATOR(aclnnForeachNonFiniteCheckAndUnscale, (InList gradients, InOut found_inf, In inverse_scale),
         unscale(gradients, found_inf, inverse_scale))

}  // namespace emulator::operators
