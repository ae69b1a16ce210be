// Checks that every kernel of an operator shares: the rule first, then what came.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/SymIntArrayRef.h>

#include <cstdint>
#include <initializer_list>
#include <limits>

namespace mx_driving {

// Sizes are compared as SymInt so that the Meta kernel can run the same checks under dynamic shapes.
inline void check_shape(
    const char* op, const char* name, const at::Tensor& tensor, std::initializer_list<c10::SymInt> expected,
    const char* layout) {
  const c10::SymIntArrayRef sizes(expected.begin(), expected.size());
  TORCH_CHECK(
      tensor.sym_sizes() == sizes, op, ": ", name, " must be ", layout, " = ", sizes, ", got ", tensor.sym_sizes());
}

inline void check_dim(const char* op, const char* name, const at::Tensor& tensor, int64_t dim, const char* layout) {
  TORCH_CHECK(tensor.dim() == dim, op, ": ", name, " must be ", layout, ", got shape ", tensor.sym_sizes());
}

// Every floating tensor of one call has the dtype and the device of the first.
inline void check_like(
    const char* op, const char* name, const at::Tensor& tensor, const char* first_name, const at::Tensor& first) {
  TORCH_CHECK(
      tensor.scalar_type() == first.scalar_type(), op, ": ", name, " must have the dtype of ", first_name, ", ",
      first.scalar_type(), ", got ", tensor.scalar_type());
  TORCH_CHECK(
      tensor.device() == first.device(), op, ": ", name, " must be on the device of ", first_name, ", ", first.device(),
      ", got ", tensor.device());
}

inline void check_floating(const char* op, const char* name, const at::Tensor& tensor) {
  TORCH_CHECK(
      at::isFloatingType(tensor.scalar_type()), op, ": ", name, " must be a floating tensor, got ",
      tensor.scalar_type());
}

// Two numbers of pixels. The upper bound keeps the sums and products that follow from overflowing.
inline void check_pair(const char* op, const char* name, at::IntArrayRef pair, int64_t least) {
  constexpr int64_t most = std::numeric_limits<int32_t>::max();
  TORCH_CHECK(
      pair.size() == 2 && pair[0] >= least && pair[1] >= least, op, ": ", name,
      " must be two integers (height, width) >= ", least, ", got ", pair);
  TORCH_CHECK(
      pair[0] <= most && pair[1] <= most, op, ": ", name, " must be two integers (height, width) <= ", most, ", got ",
      pair);
}

} // namespace mx_driving
