// What the NPU adapters share. They register on PrivateUse1, the key of torch_npu, and live in
// mx_driving._operators_npu: a library of its own, because it links against torch_npu, which does not load where CANN
// is missing. It needs no symbol of the other library: the checks that every backend shares are inline, in
// csrc/ops/*.h.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

namespace mx_driving {
namespace npu {

// An NPU tensor has no memory format but the contiguous one: the checks would ask for that of a channels-last input.
inline at::Tensor dense(const at::Tensor& tensor) {
  return tensor.suggest_memory_format() == at::MemoryFormat::Contiguous ? tensor : tensor.contiguous();
}

} // namespace npu
} // namespace mx_driving
