// The opaque objects behind CANN's operator interface, as this emulator lays them out.
#pragma once

#include "emulator/prelude.h"

struct aclTensor {
  std::vector<int64_t> sizes, strides;
  int64_t offset = 0;  // in elements, from data
  int dtype = 0;       // aclDataType
  void* data = nullptr;
};
struct aclScalar {
  at::Scalar value;
};
struct aclIntArray {
  std::vector<int64_t> values;
};
struct aclFloatArray {
  std::vector<float> values;
};
struct aclBoolArray {
  std::vector<uint8_t> values;
};
struct aclTensorList {
  std::vector<const aclTensor*> values;
};
struct aclScalarList {
  std::vector<const aclScalar*> values;
};
struct aclOpExecutor {
  const char* name;
  std::function<void()> body;
};

namespace emulator {

enum class Kind { Tensor, Scalar, IntArray, FloatArray, BoolArray, TensorList, ScalarList };

/// What a live handle is; nullopt for a number or a foreign pointer.
std::optional<Kind> kind_of(const void* handle);
/// One argument of an unknown operator, for people: "float32[2, 3]", "[1, 1]", "0.5", "7".
std::string describe(uint64_t argument);

at::ScalarType scalar_type(int acl_dtype);
int64_t item_size(int acl_dtype);
/// A CPU tensor over "device" memory; an undefined tensor for a null handle.
at::Tensor view(const aclTensor* tensor);
at::Tensor view(void* data, int64_t offset, at::IntArrayRef sizes, at::IntArrayRef strides, int acl_dtype);
/// Copy a result into its output. Another shape is refused, but for dimensions of size one: those move no element, and
/// CANN and torch differ in them.
void write_into(at::Tensor output, const at::Tensor& result);
std::vector<int64_t> contiguous_strides(at::IntArrayRef sizes);

}  // namespace emulator
