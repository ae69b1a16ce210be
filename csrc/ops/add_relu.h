// add_relu: what every backend of the operator shares.
#pragma once

#include "../common/checks.h"

#include <ATen/ExpandUtils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/result_type.h>

namespace mx_driving {

// Checks x and y and allocates the result: of their common shape and dtype, in the memory format of x where it fits.
inline at::Tensor empty_add_relu(const at::Tensor& x, const at::Tensor& y) {
  check_floating("add_relu", "x", x);
  check_floating("add_relu", "y", y);
  TORCH_CHECK(x.device() == y.device(), "add_relu: y must be on the device of x, ", x.device(), ", got ", y.device());
  const auto shape = at::infer_size_symint(x.sym_sizes(), y.sym_sizes());
  const auto format =
      x.dim() == static_cast<int64_t>(shape.size()) ? x.suggest_memory_format() : at::MemoryFormat::Contiguous;
  return at::empty_symint(shape, x.options().dtype(at::result_type(x, y)).memory_format(format));
}

} // namespace mx_driving
