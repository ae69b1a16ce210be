// One tensor in, one of the same shape out.
#include "emulator/operator.h"

namespace emulator::operators {

#define UNARY(NAME, FUNCTION) OPERATOR(aclnn##NAME, (In a, Out out), out = FUNCTION(a))
#define UNARY_AND_INPLACE(NAME, FUNCTION) \
  UNARY(NAME, FUNCTION)                   \
  OPERATOR(aclnnInplace##NAME, (InOut a), a = FUNCTION(a))

UNARY_AND_INPLACE(Atan, at::atan)
UNARY_AND_INPLACE(Ceil, at::ceil)
UNARY_AND_INPLACE(Cos, at::cos)
UNARY_AND_INPLACE(Erf, at::erf)
UNARY_AND_INPLACE(Exp, at::exp)
UNARY_AND_INPLACE(Floor, at::floor)
UNARY_AND_INPLACE(Log, at::log)
UNARY_AND_INPLACE(Log1p, at::log1p)
UNARY_AND_INPLACE(Log2, at::log2)
UNARY_AND_INPLACE(Reciprocal, at::reciprocal)
UNARY_AND_INPLACE(Rsqrt, at::rsqrt)
UNARY_AND_INPLACE(Sigmoid, at::sigmoid)
UNARY_AND_INPLACE(Sin, at::sin)
UNARY_AND_INPLACE(Sqrt, at::sqrt)
UNARY_AND_INPLACE(Tan, at::tan)
UNARY_AND_INPLACE(Tanh, at::tanh)
UNARY_AND_INPLACE(Relu, at::relu)
UNARY_AND_INPLACE(LogicalNot, at::logical_not)
UNARY(Abs, at::abs)
UNARY(Neg, at::neg)
UNARY(Round, at::round)
UNARY(Sign, at::sign)
UNARY(Trunc, at::trunc)
UNARY(BitwiseNot, at::bitwise_not)
UNARY(IsFinite, at::isfinite)

OPERATOR(aclnnInplaceZero, (InOut a), a().zero_())
OPERATOR(aclnnInplaceOne, (InOut a), a().fill_(1))
OPERATOR(aclnnInplaceFillScalar, (InOut a, Num value), a().fill_(value()))
OPERATOR(aclnnInplaceFillTensor, (InOut a, In value), a().fill_(value().item()))
OPERATOR(aclnnInplaceCopy, (InOut to, In from), to().copy_(from()))
OPERATOR(aclnnCast, (In a, Dtype dtype, Out out), out = a().to(at::ScalarType(dtype)))
OPERATOR(aclnnNanToNum, (In a, float nan, float high, float low, Out out), out = at::nan_to_num(a, nan, high, low))

}  // namespace emulator::operators
