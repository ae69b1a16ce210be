// The small language in which every aclnn operator is one line:
//
//   OPERATOR(aclnnAdd, (In a, In b, Num alpha, Out out), out = at::add(a, b, alpha))
//
// defines both phases that CANN publishes, aclnnAddGetWorkspaceSize and aclnnAdd. The parameter types below are
// trivial one-word structs: the C ABI passes them exactly as the bare aclTensor*, aclScalar* ... that torch_npu
// hands over, and each converts to what ATen takes. The order and the C types (int, int64_t, float, double, int8_t)
// must be CANN's: a wrong one reads garbage, which is why tests/emulator runs every line in this directory.
#pragma once

#include "emulator/handles.h"
#include "emulator/runtime/state.h"

namespace emulator {

void write(const aclTensor* out, const at::Tensor& result);
void resize_and_write(aclTensor* out, const at::Tensor& result);
at::Scalar number(const void* handle, size_t index);
/// Device random streams are not the CPU's: (seed, offset) of the NPU generator seed one of ours.
at::Generator generator(uint64_t seed, uint64_t offset);

struct In {  // an input tensor; a() where a bare at::Tensor is wanted
  const aclTensor* handle;
  at::Tensor operator()() const { return view(handle); }
  operator at::Tensor() const { return view(handle); }
};
struct OptIn {  // an input tensor that may be absent
  const aclTensor* handle;
  explicit operator bool() const { return handle; }
  at::Tensor operator()() const { return view(handle); }
  operator std::optional<at::Tensor>() const { return handle ? std::optional<at::Tensor>(view(handle)) : std::nullopt; }
};
// A result; assigning casts and copies into the device memory. Another shape is refused, but for dimensions of size one.
struct Out {
  const aclTensor* handle;
  const Out& operator=(const at::Tensor& result) const { return write(handle, result), *this; }
  at::Tensor operator()() const { return view(handle); }
};
struct InOut {  // a tensor that an in-place operator overwrites
  const aclTensor* handle;
  at::Tensor operator()() const { return view(handle); }
  operator at::Tensor() const { return view(handle); }
  const InOut& operator=(const at::Tensor& result) const { return write(handle, result), *this; }
};
struct OutSized {  // a result whose size depends on the data: torch_npu allocates the most and reads the size back
  aclTensor* handle;
  const OutSized& operator=(const at::Tensor& result) const { return resize_and_write(handle, result), *this; }
};
struct Num {
  const aclScalar* handle;
  at::Scalar operator()() const { return handle->value; }
  operator at::Scalar() const { return handle->value; }
};
struct OptNum {
  const aclScalar* handle;
  operator std::optional<at::Scalar>() const { return handle ? std::optional(handle->value) : std::nullopt; }
};
struct Nums {  // aclScalar, one-element aclTensor or aclScalarList, whichever this CANN version passes
  const void* handle;
  at::Scalar operator[](size_t index) const { return number(handle, index); }
};
struct Ints {
  const aclIntArray* handle;
  operator at::IntArrayRef() const { return handle ? at::IntArrayRef(handle->values) : at::IntArrayRef(); }
  at::IntArrayRef operator()() const { return *this; }
  /// An empty list of dimensions means all of them.
  at::OptionalIntArrayRef or_all() const {
    return handle && !handle->values.empty() ? at::OptionalIntArrayRef(handle->values) : at::OptionalIntArrayRef();
  }
};
struct Mask {  // which gradients are wanted
  const aclBoolArray* handle;
  template <size_t N>
  operator std::array<bool, N>() const {
    std::array<bool, N> wanted{};
    for (size_t i = 0; i < N; ++i) wanted[i] = !handle || handle->values.at(i);
    return wanted;
  }
};
struct Dtype {
  int acl;
  operator at::ScalarType() const { return scalar_type(acl); }
  operator std::optional<at::ScalarType>() const { return scalar_type(acl); }
};
struct InList {
  const aclTensorList* handle;
  size_t size() const { return handle->values.size(); }
  at::Tensor operator[](size_t i) const { return view(handle->values.at(i)); }
  std::vector<at::Tensor> operator()() const {
    std::vector<at::Tensor> tensors;
    for (const auto* tensor : handle->values) tensors.push_back(view(tensor));
    return tensors;
  }
};
struct OutList {
  const aclTensorList* handle;
  Out operator[](size_t i) const { return {handle->values.at(i)}; }
};

/// Several results at once: outs(values, indices) = at::topk(...). An undefined result is one nobody asked for.
template <class... Results>
struct Outs {
  std::tuple<Results...> results;
  template <class... Tensors>
  void operator=(const std::tuple<Tensors...>& values) const {
    assign(values, std::index_sequence_for<Results...>{});
  }
  template <class Values, size_t... I>
  void assign(const Values& values, std::index_sequence<I...>) const {
    ((std::get<I>(results) = std::get<I>(values)), ...);
  }
};
template <class... Results>
Outs<Results...> outs(Results... results) {
  return {{results...}};
}

int plan(const char* name, uint64_t* workspace_size, aclOpExecutor** executor, std::function<void()> body);
int execute(aclOpExecutor* executor, void* stream);

}  // namespace emulator

#define EMULATOR_UNPACK(...) __VA_ARGS__
#define OPERATOR(NAME, PARAMETERS, ...)                                                                         \
  EMULATED int NAME##GetWorkspaceSize(EMULATOR_UNPACK PARAMETERS, uint64_t* workspace_size_,                    \
                                      aclOpExecutor** executor_) {                                              \
    return emulator::plan(#NAME, workspace_size_, executor_, [=] { __VA_ARGS__; });                             \
  }                                                                                                             \
  EMULATED int NAME(void*, uint64_t, aclOpExecutor* executor_, void* stream_) {                                 \
    return emulator::execute(executor_, stream_);                                                               \
  }

namespace emulator::operators {
using std::optional;
using u64 = uint64_t;
using i64 = int64_t;
}  // namespace emulator::operators
