// Reading and writing at indices or where a mask is set.
#include "emulator/operator.h"

namespace emulator::operators {

using IndexList = c10::List<optional<at::Tensor>>;

// x[:, i] passes an empty tensor without memory for the full slice.
static IndexList index_list(InList tensors) {
  IndexList indices;
  for (const auto* tensor : tensors.handle->values) {
    const bool full_slice = !tensor || (!tensor->data && tensor->sizes == std::vector<int64_t>{0});
    indices.push_back(full_slice ? optional<at::Tensor>() : optional<at::Tensor>(view(tensor)));
  }
  return indices;
}

// aclnnScatter's reduce argument: overwrite, add, multiply.
template <class Source>
static at::Tensor scatter(const at::Tensor& a, i64 dim, const at::Tensor& index, const Source& source, i64 reduce) {
  if (reduce == 0) return at::scatter(a, dim, index, source);
  return at::scatter(a, dim, index, source, reduce == 1 ? "add" : "multiply");
}

// A result without elements comes from an empty index, which looks like a full slice.
OPERATOR(aclnnIndex, (In a, InList indices, Out out),
         if (out().numel() != 0) out = at::index(a, index_list(indices)))
OPERATOR(aclnnIndexPutImpl, (InOut a, InList indices, In value, bool accumulate, bool /*unsafe*/),
         a().index_put_(index_list(indices), value(), accumulate))
OPERATOR(aclnnIndexSelect, (In a, i64 dim, In index, Out out), out = at::index_select(a, dim, index))
OPERATOR(aclnnIndexAdd, (In a, i64 dim, In index, In source, Num alpha, Out out),
         out = at::index_add(a, dim, index, source, alpha))
OPERATOR(aclnnIndexFill, (In a, i64 dim, Ints index, Num value, Out out),
         out = at::index_fill(a, dim, at::tensor(index()), value))
OPERATOR(aclnnGather, (In a, i64 dim, In index, Out out), out = at::gather(a, dim, index().to(at::kLong)))

OPERATOR(aclnnScatter, (In a, i64 dim, In index, In source, i64 reduce, Out out),
         out = scatter(a(), dim, index(), source(), reduce))
OPERATOR(aclnnScatterValue, (In a, i64 dim, In index, Num value, i64 reduce, Out out),
         out = scatter(a(), dim, index(), value(), reduce))
OPERATOR(aclnnInplaceScatter, (InOut a, i64 dim, In index, In source, i64 reduce),
         a = scatter(a(), dim, index(), source(), reduce))
OPERATOR(aclnnInplaceScatterValue, (InOut a, i64 dim, In index, Num value, i64 reduce),
         a = scatter(a(), dim, index(), value(), reduce))
OPERATOR(aclnnScatterAdd, (In a, i64 dim, In index, In source, Out out), out = at::scatter_add(a, dim, index, source))

OPERATOR(aclnnMaskedSelect, (In a, In mask, OutSized out), out = at::masked_select(a, mask().to(at::kBool)))
OPERATOR(aclnnInplaceMaskedFillScalar, (InOut a, In mask, Num value),
         a = at::masked_fill(a, mask().to(at::kBool), value))
OPERATOR(aclnnInplaceMaskedFillTensor, (InOut a, In mask, In value),
         a = at::masked_fill(a, mask().to(at::kBool), value))
OPERATOR(aclnnNonzero, (In a, OutSized out), out = at::nonzero(a))
OPERATOR(aclnnNonzeroV2, (In a, OutSized out), out = at::nonzero(a).t().contiguous())

OPERATOR(aclnnEmbedding, (In weight, In index, Out out), out = at::embedding(weight, index))
OPERATOR(aclnnEmbeddingDenseBackward, (In grad, In index, u64 count, u64 padding, bool scale, Out out),
         out = at::embedding_dense_backward(grad, index, i64(count), i64(padding), scale))
OPERATOR(aclnnOneHot, (In a, int classes, In on, In off, i64 /*axis*/, Out out),
         out = at::where(at::one_hot(a().to(at::kLong), classes).to(at::kBool), on().item(), off().item()))
OPERATOR(aclnnBincount, (In a, OptIn weights, i64 least, Out out),
         out = at::bincount(a, weights, least).slice(0, 0, out().numel()))

static void unique(In a, bool sorted, bool wants_counts, OutSized values, Out inverse, OutSized counts) {
  const auto [value, where, count] = at::_unique2(a, sorted, true, true);
  values = value;
  if (inverse.handle && inverse().numel() == where.numel()) inverse = where;
  if (wants_counts) counts = count;
}
OPERATOR(aclnnUnique2, (In a, bool sorted, bool, bool wants_counts, OutSized values, Out inverse, OutSized counts),
         unique(a, sorted, wants_counts, values, inverse, counts))

}  // namespace emulator::operators
