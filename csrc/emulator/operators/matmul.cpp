// Products of matrices. The int8_t that ends each signature chooses the precision of the cube unit: of no effect here.
#include "emulator/operator.h"

namespace emulator::operators {

OPERATOR(aclnnMatmul, (In a, In b, Out out, int8_t), out = at::matmul(a, b))
OPERATOR(aclnnMm, (In a, In b, Out out, int8_t), out = at::mm(a, b))
OPERATOR(aclnnMv, (In a, In b, Out out, int8_t), out = at::mv(a, b))
OPERATOR(aclnnDot, (In a, In b, Out out), out = at::dot(a, b))
OPERATOR(aclnnBatchMatMul, (In a, In b, Out out, int8_t), out = at::matmul(a, b))
OPERATOR(aclnnAddmm, (In c, In a, In b, Num beta, Num alpha, Out out, int8_t), out = at::addmm(c, a, b, beta, alpha))
OPERATOR(aclnnInplaceAddmm, (InOut c, In a, In b, Num beta, Num alpha, int8_t), c = at::addmm(c, a, b, beta, alpha))
OPERATOR(aclnnBaddbmm, (In c, In a, In b, Num beta, Num alpha, Out out, int8_t),
         out = at::baddbmm(c, a, b, beta, alpha))
OPERATOR(aclnnLinalgCross, (In a, In b, i64 dim, Out out), out = at::linalg_cross(a, b, dim))

}  // namespace emulator::operators
