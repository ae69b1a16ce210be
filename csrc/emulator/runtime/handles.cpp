// aclCreate* / aclDestroy*: the arguments of aclnn operators.
#include "emulator/handles.h"

#include "emulator/runtime/state.h"

namespace emulator {
namespace {

struct DtypeRow {
  int acl;
  at::ScalarType torch;
  int64_t bytes;
};
constexpr DtypeRow kDtypes[] = {
    {0, at::kFloat, 4},   {1, at::kHalf, 2},         {2, at::kChar, 1},           {3, at::kInt, 4},
    {4, at::kByte, 1},    {6, at::kShort, 2},        {7, at::kUInt16, 2},         {8, at::kUInt32, 4},
    {9, at::kLong, 8},    {10, at::kUInt64, 8},      {11, at::kDouble, 8},        {12, at::kBool, 1},
    {16, at::kComplexFloat, 8}, {17, at::kComplexDouble, 16}, {27, at::kBFloat16, 2}, {33, at::kComplexHalf, 4},
};

const DtypeRow* find_dtype(int acl_dtype) {
  const auto row = std::find_if(std::begin(kDtypes), std::end(kDtypes), [&](const auto& r) { return r.acl == acl_dtype; });
  return row == std::end(kDtypes) ? nullptr : row;
}

const DtypeRow& dtype_row(int acl_dtype) {
  if (const auto* row = find_dtype(acl_dtype)) return *row;
  TORCH_CHECK(false, "aclDataType ", acl_dtype, " has no torch dtype here; the emulator knows the standard ones only");
}

std::mutex handles_mutex;
std::unordered_map<const void*, Kind> live_handles;

template <class Handle>
Handle* enlist(Handle* handle, Kind kind) {
  std::lock_guard<std::mutex> lock(handles_mutex);
  live_handles[handle] = kind;
  return handle;
}

template <class Handle>
int destroy(const Handle* handle) {
  if (!handle) return 0;
  {
    std::lock_guard<std::mutex> lock(handles_mutex);
    live_handles.erase(handle);
  }
  delete handle;
  return 0;
}

template <class Values>
std::string bracketed(const Values& values) {
  std::ostringstream text;
  text << '[';
  for (size_t i = 0; i < values.size(); ++i) text << (i ? ", " : "") << +values[i];
  text << ']';
  return text.str();
}

std::string describe_tensor(const aclTensor* tensor) {
  if (!tensor) return "none";
  const auto* row = find_dtype(tensor->dtype);
  const auto dtype = row ? std::string(c10::toString(row->torch)) : "aclDataType " + std::to_string(tensor->dtype);
  return dtype + bracketed(tensor->sizes);
}

std::string describe_list(const aclTensorList* list) {
  std::string text = "{";
  for (const auto* tensor : list->values) text += (text.size() > 1 ? ", " : "") + describe_tensor(tensor);
  return text + "}";
}

std::string describe_scalar(const aclScalar* scalar) {
  std::ostringstream text;
  text << scalar->value;
  return text.str();
}

}  // namespace

std::optional<Kind> kind_of(const void* handle) {
  std::lock_guard<std::mutex> lock(handles_mutex);
  const auto found = live_handles.find(handle);
  return found == live_handles.end() ? std::nullopt : std::optional<Kind>(found->second);
}

std::string describe(uint64_t argument) {
  const auto* handle = reinterpret_cast<const void*>(argument);
  const auto kind = kind_of(handle);
  if (!kind) return (argument >> 40) && (argument >> 40) != 0xffffff ? "pointer" : std::to_string(int64_t(argument));
  switch (*kind) {
    case Kind::Tensor: return describe_tensor(static_cast<const aclTensor*>(handle));
    case Kind::Scalar: return describe_scalar(static_cast<const aclScalar*>(handle));
    case Kind::IntArray: return bracketed(static_cast<const aclIntArray*>(handle)->values);
    case Kind::FloatArray: return bracketed(static_cast<const aclFloatArray*>(handle)->values);
    case Kind::BoolArray: return bracketed(static_cast<const aclBoolArray*>(handle)->values);
    case Kind::TensorList: return describe_list(static_cast<const aclTensorList*>(handle));
    case Kind::ScalarList: break;
  }
  return std::to_string(static_cast<const aclScalarList*>(handle)->values.size()) + " scalars";
}

at::ScalarType scalar_type(int acl_dtype) { return dtype_row(acl_dtype).torch; }
int64_t item_size(int acl_dtype) { return dtype_row(acl_dtype).bytes; }

std::vector<int64_t> contiguous_strides(at::IntArrayRef sizes) {
  std::vector<int64_t> strides(sizes.size(), 1);
  for (int i = int(sizes.size()) - 2; i >= 0; --i) strides[i] = strides[i + 1] * sizes[i + 1];
  return strides;
}

at::Tensor view(void* data, int64_t offset, at::IntArrayRef sizes, at::IntArrayRef strides, int acl_dtype) {
  const auto options = at::TensorOptions().dtype(scalar_type(acl_dtype));
  if (!data || c10::multiply_integers(sizes) == 0) return at::empty(sizes, options);
  return at::from_blob(static_cast<char*>(data) + offset * item_size(acl_dtype), sizes, strides, options);
}

void write_into(at::Tensor output, const at::Tensor& result) {
  TORCH_CHECK(output.squeeze().sizes() == result.squeeze().sizes(), "the result has shape ", result.sizes(),
              ", the output ", output.sizes());
  if (output.numel()) output.copy_(result.reshape(output.sizes()));
}

at::Tensor view(const aclTensor* tensor) {
  if (!tensor) return {};
  check_device(tensor->data);
  return view(tensor->data, tensor->offset, tensor->sizes, tensor->strides, tensor->dtype);
}

}  // namespace emulator

using emulator::destroy;
using emulator::enlist;
using emulator::Kind;

EMULATED aclTensor* aclCreateTensor(const int64_t* sizes, uint64_t dims, int dtype, const int64_t* strides,
                                    int64_t offset, int /*format*/, const int64_t* /*storage_sizes*/,
                                    uint64_t /*storage_dims*/, void* data) {
  const at::IntArrayRef shape(sizes, dims);
  auto* tensor = new aclTensor{shape.vec(), {}, offset, dtype, data};
  tensor->strides = strides ? at::IntArrayRef(strides, dims).vec() : emulator::contiguous_strides(shape);
  return enlist(tensor, Kind::Tensor);
}

EMULATED aclScalar* aclCreateScalar(void* value, int dtype) {
  auto* scalar = new aclScalar;
  const auto body = [&] { scalar->value = emulator::view(value, 0, {}, {}, dtype).item(); };
  emulator::fail_device(emulator::guarded("aclCreateScalar", body));
  return enlist(scalar, Kind::Scalar);
}

EMULATED aclIntArray* aclCreateIntArray(const int64_t* values, uint64_t size) {
  return enlist(new aclIntArray{{values, values + size}}, Kind::IntArray);
}
EMULATED aclFloatArray* aclCreateFloatArray(const float* values, uint64_t size) {
  return enlist(new aclFloatArray{{values, values + size}}, Kind::FloatArray);
}
EMULATED aclBoolArray* aclCreateBoolArray(const bool* values, uint64_t size) {
  return enlist(new aclBoolArray{{values, values + size}}, Kind::BoolArray);
}
EMULATED aclTensorList* aclCreateTensorList(const aclTensor* const* values, uint64_t size) {
  return enlist(new aclTensorList{{values, values + size}}, Kind::TensorList);
}
EMULATED aclScalarList* aclCreateScalarList(const aclScalar* const* values, uint64_t size) {
  return enlist(new aclScalarList{{values, values + size}}, Kind::ScalarList);
}

EMULATED int aclDestroyTensor(const aclTensor* tensor) { return destroy(tensor); }
EMULATED int aclDestroyScalar(const aclScalar* scalar) { return destroy(scalar); }
EMULATED int aclDestroyIntArray(const aclIntArray* array) { return destroy(array); }
EMULATED int aclDestroyFloatArray(const aclFloatArray* array) { return destroy(array); }
EMULATED int aclDestroyBoolArray(const aclBoolArray* array) { return destroy(array); }
EMULATED int aclDestroyTensorList(const aclTensorList* list) {
  if (list)
    for (const auto* tensor : list->values) destroy(tensor);
  return destroy(list);
}
EMULATED int aclDestroyScalarList(const aclScalarList* list) {
  if (list)
    for (const auto* scalar : list->values) destroy(scalar);
  return destroy(list);
}
EMULATED int aclDestroyAclOpExecutor(aclOpExecutor* executor) {
  delete executor;
  return 0;
}

// torch_npu asks for the shape of a data-dependent result and releases the copy with delete[].
EMULATED int aclGetViewShape(const aclTensor* tensor, int64_t** sizes, uint64_t* dims) {
  *dims = tensor->sizes.size();
  *sizes = new int64_t[*dims + 1];
  std::copy(tensor->sizes.begin(), tensor->sizes.end(), *sizes);
  return 0;
}
