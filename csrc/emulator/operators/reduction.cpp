// Sums, extremes, norms and scans along dimensions.
#include "emulator/operator.h"

namespace emulator::operators {

OPERATOR(aclnnReduceSum, (In a, Ints dim, bool keep, Dtype dtype, Out out), out = at::sum(a, dim.or_all(), keep, dtype))
OPERATOR(aclnnMean, (In a, Ints dim, bool keep, Dtype dtype, Out out), out = at::mean(a, dim.or_all(), keep, dtype))
OPERATOR(aclnnProd, (In a, Dtype dtype, Out out), out = at::prod(a, optional<at::ScalarType>(dtype)))
OPERATOR(aclnnProdDim, (In a, i64 dim, bool keep, Dtype dtype, Out out), out = at::prod(a, dim, keep, dtype))
OPERATOR(aclnnCumsum, (In a, i64 dim, Dtype dtype, Out out), out = at::cumsum(a, dim, dtype))
OPERATOR(aclnnLogSumExp, (In a, Ints dim, bool keep, Out out), out = at::logsumexp(a, dim(), keep))

OPERATOR(aclnnMax, (In a, Out out), out = at::max(a))
OPERATOR(aclnnMin, (In a, Out out), out = at::min(a))
OPERATOR(aclnnAmax, (In a, Ints dim, bool keep, Out out), out = at::amax(a, dim, keep))
OPERATOR(aclnnAmin, (In a, Ints dim, bool keep, Out out), out = at::amin(a, dim, keep))
OPERATOR(aclnnMaxDim, (In a, i64 dim, bool keep, Out value, Out index), outs(value, index) = at::max(a, dim, keep))
OPERATOR(aclnnMinDim, (In a, i64 dim, bool keep, Out value, Out index), outs(value, index) = at::min(a, dim, keep))
OPERATOR(aclnnArgMax, (In a, i64 dim, bool keep, Out out), out = at::argmax(a, dim, keep))
OPERATOR(aclnnArgMin, (In a, i64 dim, bool keep, Out out), out = at::argmin(a, dim, keep))
OPERATOR(aclnnAll, (In a, Ints dim, bool keep, Out out), out = at::all(a, dim.or_all(), keep))
OPERATOR(aclnnAny, (In a, Ints dim, bool keep, Out out), out = at::any(a, dim.or_all(), keep))

OPERATOR(aclnnLinalgVectorNorm, (In a, Num p, Ints dim, bool keep, Dtype dtype, Out out),
         out = at::linalg_vector_norm(a, p, dim.or_all(), keep, dtype))
OPERATOR(aclnnVarCorrection, (In a, Ints dim, i64 correction, bool keep, Out out),
         out = at::var(a, dim.or_all(), at::Scalar(correction), keep))
OPERATOR(aclnnStd, (In a, Ints dim, i64 correction, bool keep, Out out),
         out = at::std(a, dim.or_all(), at::Scalar(correction), keep))

OPERATOR(aclnnTopkV2, (In a, i64 k, i64 dim, bool largest, bool sorted, int /*index dtype*/, Out value, Out index),
         outs(value, index) = at::topk(a, k, dim, largest, sorted))
OPERATOR(aclnnSort, (In a, bool stable, i64 dim, bool descending, Out value, Out index),
         outs(value, index) = at::sort(a, optional<bool>(stable), dim, descending))

}  // namespace emulator::operators
