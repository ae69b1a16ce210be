// Joining, repeating and padding; creation and random numbers.
#include "emulator/operator.h"

namespace emulator::operators {

OPERATOR(aclnnCat, (InList tensors, i64 dim, Out out), out = at::cat(tensors(), dim))
OPERATOR(aclnnStack, (InList tensors, i64 dim, Out out), out = at::stack(tensors(), dim))
OPERATOR(aclnnRepeat, (In a, Ints repeats, Out out), out = a().repeat(repeats()))
OPERATOR(aclnnRepeatInterleave, (In a, In repeats, i64 /*size*/, Out out), out = at::repeat_interleave(a, repeats))
OPERATOR(aclnnRepeatInterleaveInt, (In a, i64 repeats, i64 /*size*/, Out out), out = at::repeat_interleave(a, repeats))
OPERATOR(aclnnRepeatInterleaveIntWithDim, (In a, i64 repeats, i64 dim, i64 /*size*/, Out out),
         out = at::repeat_interleave(a, repeats, optional<i64>(dim)))
OPERATOR(aclnnFlip, (In a, Ints dims, Out out), out = at::flip(a, dims))
OPERATOR(aclnnRoll, (In a, Ints shifts, Ints dims, Out out), out = at::roll(a, shifts(), dims))
OPERATOR(aclnnConstantPadNd, (In a, Ints pad, Num value, Out out), out = at::constant_pad_nd(a, pad(), value))
OPERATOR(aclnnTril, (In a, i64 diagonal, Out out), out = at::tril(a, diagonal))
OPERATOR(aclnnTriu, (In a, i64 diagonal, Out out), out = at::triu(a, diagonal))

// The number of values is torch_npu's to choose: at::arange may round to one more.
OPERATOR(aclnnArange, (Num start, Num end, Num step, Out out),
         out = at::arange(start, end, step, out().options()).slice(0, 0, out().numel()))
OPERATOR(aclnnRange, (Num start, Num end, Num step, Out out), out = at::range(start, end, step, out().options()))
OPERATOR(aclnnLinspace, (Num start, Num end, i64 steps, Out out),
         out = at::linspace(at::Scalar(start), at::Scalar(end), steps, out().options()))
OPERATOR(aclnnEye, (i64 rows, i64 columns, Out out), out = at::eye(rows, columns))

OPERATOR(aclnnRandperm, (i64 size, u64 seed, u64 offset, Out out), out = at::randperm(size, generator(seed, offset)))
OPERATOR(aclnnInplaceUniform, (InOut a, double low, double high, u64 seed, u64 offset),
         a().uniform_(low, high, generator(seed, offset)))
OPERATOR(aclnnInplaceNormal, (InOut a, float mean, float deviation, u64 seed, u64 offset),
         a().normal_(mean, deviation, generator(seed, offset)))
OPERATOR(aclnnInplaceRandom, (InOut a, i64 low, i64 high, u64 seed, u64 offset),
         a().random_(low, high, generator(seed, offset)))
OPERATOR(aclnnInplaceBernoulli, (InOut a, Num p, u64 seed, u64 offset),
         a().bernoulli_(p().toDouble(), generator(seed, offset)))

// A dropout mask is one bit an element, least significant first.
static void draw_keep_bits(at::Tensor bits, i64 size, double drop, u64 seed, u64 offset) {
  const auto kept = at::empty({(size + 7) / 8 * 8}, at::kFloat).uniform_(0, 1, generator(seed, offset)).ge_(drop);
  const auto weights = at::bitwise_left_shift(at::ones({8}, at::kByte), at::arange(8, at::kByte));
  const auto bytes = kept.to(at::kByte).view({-1, 8}).mul_(weights).sum(1, false, at::kByte);
  bits.zero_().slice(0, 0, bytes.numel()).copy_(bytes);
}
static at::Tensor apply_keep_bits(const at::Tensor& a, const at::Tensor& bits, double drop) {
  const auto kept = bits.unsqueeze(1).bitwise_right_shift(at::arange(8, at::kByte)).bitwise_and(1);
  return drop >= 1 ? at::zeros_like(a) : a * kept.flatten().slice(0, 0, a.numel()).view(a.sizes()) / (1 - drop);
}
OPERATOR(aclnnDropoutGenMaskV2, (Ints shape, double drop, i64 seed, i64 offset, int /*dtype*/, Out bits),
         draw_keep_bits(bits(), c10::multiply_integers(shape()), drop, seed, offset))
OPERATOR(aclnnDropoutDoMask, (In a, In bits, double drop, Out out), out = apply_keep_bits(a, bits, drop))

}  // namespace emulator::operators
