// What the NPU adapters share. They register on PrivateUse1, the key of torch_npu, and live in
// mx_driving._operators_npu: a library of its own, because it links against torch_npu, which does not load where CANN
// is missing.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

namespace mx_driving {
namespace npu {

// Runs the operator's Meta kernel on NPU tensors: the checks that every backend shares, and the outputs, uninitialised
// on the device of the inputs. So that the checks stand in one place and this library needs no symbol of the other.
template <class Signature, class... Arguments>
auto checked_outputs(const char* op, Arguments&&... arguments) {
  const auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(op, "").typed<Signature>();
  return handle.redispatch(c10::DispatchKeySet(c10::DispatchKey::Meta), std::forward<Arguments>(arguments)...);
}

// An NPU tensor has no memory format but the contiguous one: the Meta kernels would ask for that of a channels-last
// input.
inline at::Tensor dense(const at::Tensor& tensor) {
  return tensor.suggest_memory_format() == at::MemoryFormat::Contiguous ? tensor : tensor.contiguous();
}

} // namespace npu
} // namespace mx_driving
