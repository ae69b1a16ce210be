// Arithmetic, comparison and choice between tensors, or a tensor and a number.
#include "emulator/operator.h"

namespace emulator::operators {

// torch's rounding_mode: CANN counts none, trunc, floor.
static optional<c10::string_view> rounding(int mode) {
  if (mode == 1) return "trunc";
  if (mode == 2) return "floor";
  return std::nullopt;
}

#define TENSOR_TENSOR(NAME, FUNCTION) OPERATOR(aclnn##NAME, (In a, In b, Out out), out = FUNCTION(a, b))
#define TENSOR_NUMBER(NAME, FUNCTION) OPERATOR(aclnn##NAME, (In a, Num b, Out out), out = FUNCTION(a, b))
#define INPLACE_TENSOR(NAME, FUNCTION) OPERATOR(aclnnInplace##NAME, (InOut a, In b), a = FUNCTION(a, b))
#define INPLACE_NUMBER(NAME, FUNCTION) OPERATOR(aclnnInplace##NAME, (InOut a, Num b), a = FUNCTION(a, b))

OPERATOR(aclnnAdd, (In a, In b, Num alpha, Out out), out = at::add(a, b, alpha))
OPERATOR(aclnnAdds, (In a, Num b, Num alpha, Out out), out = at::add(a, b, alpha))
OPERATOR(aclnnAddV3, (Num a, In b, Num alpha, Out out), out = at::add(at::mul(b, alpha), a))
OPERATOR(aclnnInplaceAdd, (InOut a, In b, Num alpha), a = at::add(a, b, alpha))
OPERATOR(aclnnInplaceAdds, (InOut a, Num b, Num alpha), a = at::add(a, b, alpha))
OPERATOR(aclnnSub, (In a, In b, Num alpha, Out out), out = at::sub(a, b, alpha))
OPERATOR(aclnnSubs, (In a, Num b, Num alpha, Out out), out = at::sub(a, b, alpha))
OPERATOR(aclnnInplaceSub, (InOut a, In b, Num alpha), a = at::sub(a, b, alpha))
OPERATOR(aclnnInplaceSubs, (InOut a, Num b, Num alpha), a = at::sub(a, b, alpha))
OPERATOR(aclnnRsub, (In a, In b, Num alpha, Out out), out = at::rsub(a, b, alpha))
OPERATOR(aclnnRsubs, (In a, Num b, Num alpha, Out out), out = at::rsub(a, b, alpha))
OPERATOR(aclnnIsClose, (In a, In b, double relative, double absolute, bool equal_nan, Out out),
         out = at::isclose(a, b, relative, absolute, equal_nan))
TENSOR_TENSOR(Mul, at::mul)
TENSOR_NUMBER(Muls, at::mul)
INPLACE_TENSOR(Mul, at::mul)
INPLACE_NUMBER(Muls, at::mul)
TENSOR_TENSOR(Div, at::div)
TENSOR_NUMBER(Divs, at::div)
INPLACE_TENSOR(Div, at::div)
INPLACE_NUMBER(Divs, at::div)
OPERATOR(aclnnDivMod, (In a, In b, int mode, Out out), out = at::div(a, b, rounding(mode)))
OPERATOR(aclnnDivMods, (In a, Num b, int mode, Out out), out = at::div(a, b, rounding(mode)))
OPERATOR(aclnnInplaceDivMod, (InOut a, In b, int mode), a = at::div(a, b, rounding(mode)))
OPERATOR(aclnnInplaceDivMods, (InOut a, Num b, int mode), a = at::div(a, b, rounding(mode)))
TENSOR_TENSOR(FloorDivide, at::floor_divide)
TENSOR_NUMBER(FloorDivides, at::floor_divide)
INPLACE_TENSOR(FloorDivide, at::floor_divide)
INPLACE_NUMBER(FloorDivides, at::floor_divide)
TENSOR_TENSOR(PowTensorTensor, at::pow)
TENSOR_NUMBER(PowTensorScalar, at::pow)
INPLACE_TENSOR(PowTensorTensor, at::pow)
INPLACE_NUMBER(PowTensorScalar, at::pow)
OPERATOR(aclnnPowScalarTensor, (Num a, In b, Out out), out = at::pow(a, b))
TENSOR_TENSOR(Maximum, at::maximum)
TENSOR_TENSOR(Minimum, at::minimum)
TENSOR_TENSOR(Atan2, at::atan2)
TENSOR_TENSOR(FmodTensor, at::fmod)
TENSOR_NUMBER(FmodScalar, at::fmod)
TENSOR_TENSOR(RemainderTensorTensor, at::remainder)
TENSOR_NUMBER(RemainderTensorScalar, at::remainder)

#define COMPARISON(NAME, FUNCTION)       \
  TENSOR_TENSOR(NAME##Tensor, FUNCTION)  \
  TENSOR_NUMBER(NAME##Scalar, FUNCTION)  \
  INPLACE_TENSOR(NAME##Tensor, FUNCTION) \
  INPLACE_NUMBER(NAME##Scalar, FUNCTION)
COMPARISON(Eq, at::eq)
COMPARISON(Ne, at::ne)
COMPARISON(Gt, at::gt)
COMPARISON(Ge, at::ge)
COMPARISON(Lt, at::lt)
COMPARISON(Le, at::le)
OPERATOR(aclnnEqual, (In a, In b, Out out), out = at::scalar_tensor(at::equal(a, b), at::kBool))

TENSOR_TENSOR(LogicalAnd, at::logical_and)
TENSOR_TENSOR(LogicalOr, at::logical_or)
TENSOR_TENSOR(LogicalXor, at::logical_xor)
INPLACE_TENSOR(LogicalAnd, at::logical_and)
INPLACE_TENSOR(LogicalOr, at::logical_or)
TENSOR_TENSOR(BitwiseAndTensor, at::bitwise_and)
TENSOR_NUMBER(BitwiseAndScalar, at::bitwise_and)
TENSOR_TENSOR(BitwiseOrTensor, at::bitwise_or)
TENSOR_NUMBER(BitwiseOrScalar, at::bitwise_or)
TENSOR_TENSOR(BitwiseXorTensor, at::bitwise_xor)
INPLACE_TENSOR(BitwiseAndTensor, at::bitwise_and)

OPERATOR(aclnnAddcmul, (In a, In b, In c, Num value, Out out), out = at::addcmul(a, b, c, value))
OPERATOR(aclnnInplaceAddcmul, (InOut a, In b, In c, Num value), a = at::addcmul(a, b, c, value))
OPERATOR(aclnnAddcdiv, (In a, In b, In c, Num value, Out out), out = at::addcdiv(a, b, c, value))
OPERATOR(aclnnInplaceAddcdiv, (InOut a, In b, In c, Num value), a = at::addcdiv(a, b, c, value))
OPERATOR(aclnnLerp, (In a, In b, In weight, Out out), out = at::lerp(a, b, weight))
OPERATOR(aclnnLerps, (In a, In b, Num weight, Out out), out = at::lerp(a, b, weight))
OPERATOR(aclnnInplaceLerps, (InOut a, In b, Num weight), a = at::lerp(a, b, weight))

OPERATOR(aclnnClamp, (In a, OptNum low, OptNum high, Out out), out = at::clamp(a, low, high))
OPERATOR(aclnnClampTensor, (In a, OptIn low, OptIn high, Out out), out = at::clamp(a, low, high))
TENSOR_NUMBER(ClampMin, at::clamp_min)
TENSOR_NUMBER(ClampMax, at::clamp_max)
INPLACE_NUMBER(ClampMax, at::clamp_max)
TENSOR_TENSOR(ClampMinTensor, at::clamp_min)
TENSOR_TENSOR(ClampMaxTensor, at::clamp_max)
OPERATOR(aclnnSWhere, (In condition, In a, In b, Out out), out = at::where(condition().to(at::kBool), a, b))

}  // namespace emulator::operators
