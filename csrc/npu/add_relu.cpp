// add_relu on an NPU: torch_npu's own addition, then the relu in place; no third buffer. The gradient is the
// backend-independent one.
#include "common.h"

#include "../ops/add_relu.h"

namespace mx_driving {
namespace npu {
namespace {

at::Tensor add_relu(const at::Tensor& first, const at::Tensor& second) {
  const auto x = dense(first), y = dense(second);
  auto output = empty_add_relu(x, y);
  at::add_out(output, x, y);
  return output.relu_();
}

} // namespace

TORCH_LIBRARY_IMPL(mx_driving, PrivateUse1, m) {
  m.impl("add_relu", TORCH_FN(add_relu));
}

} // namespace npu
} // namespace mx_driving
