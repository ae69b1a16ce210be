// aclopCompileAndExecute and the descriptions that it takes. Data lies in its plain layout whatever format a
// description names: an internal format (NC1HWC0 ...) is a label here, so TransData has nothing to move.
#include "emulator/runtime/aclop.h"

#include <acl/acl.h>
#include <acl/acl_op_compiler.h>

#include "emulator/handles.h"

struct aclTensorDesc {
  aclDataType dtype;
  std::vector<int64_t> sizes;
  aclFormat format;
  std::string name;
  void* constant = nullptr;
};
struct aclDataBuffer {
  void* data;
};
struct aclopAttr {
  std::map<std::string, at::IValue> values;
};

namespace emulator {
namespace {

std::map<std::string, std::function<void(const AclopCall&)>>& entries() {
  static std::map<std::string, std::function<void(const AclopCall&)>> table;
  return table;
}

at::Tensor tensor_of(const aclTensorDesc* desc, const aclDataBuffer* buffer) {
  if (!desc || !buffer || desc->dtype == ACL_DT_UNDEFINED) return {};
  void* data = buffer->data ? buffer->data : desc->constant;
  check_device(data);
  return view(data, 0, desc->sizes, contiguous_strides(desc->sizes), desc->dtype);
}

aclError set_attribute(aclopAttr* attributes, const char* name, at::IValue value) {
  attributes->values[name] = std::move(value);
  return ACL_SUCCESS;
}

void print(std::ostream& text, const std::vector<at::Tensor>& tensors) {
  for (const auto& tensor : tensors) {
    if (tensor.defined()) text << ' ' << c10::toString(tensor.scalar_type()) << tensor.sizes();
    else text << " none";
  }
}

}  // namespace

AclopEntry::AclopEntry(const char* type, std::function<void(const AclopCall&)> body) { entries()[type] = std::move(body); }

void AclopCall::out(size_t i, const at::Tensor& result) const {
  if (wants(i)) write_into(outputs[i], result);
}
std::vector<int64_t> AclopCall::in_ints(size_t i) const {
  const auto values = in(i).to(at::kLong).contiguous();
  return {values.data_ptr<int64_t>(), values.data_ptr<int64_t>() + values.numel()};
}
std::vector<int64_t> AclopCall::ints(const char* attribute) const { return attributes.at(attribute).toIntVector(); }
int64_t AclopCall::integer(const char* attribute) const { return attributes.at(attribute).toInt(); }
std::string AclopCall::string(const char* attribute, const char* otherwise) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? otherwise : found->second.toStringRef();
}
std::string AclopCall::text() const {
  std::ostringstream text;
  text << type << ", inputs:";
  print(text, inputs);
  text << ", outputs:";
  print(text, outputs);
  text << ", attributes:";
  for (const auto& [name, value] : attributes) text << ' ' << name << '=' << value;
  return text.str();
}

}  // namespace emulator

using emulator::set_attribute;

EMULATED aclTensorDesc* aclCreateTensorDesc(aclDataType dtype, int dims, const int64_t* sizes, aclFormat format) {
  return new aclTensorDesc{dtype, {sizes, sizes + dims}, format, ""};
}
EMULATED void aclDestroyTensorDesc(const aclTensorDesc* desc) { delete desc; }
EMULATED aclError aclSetTensorShape(aclTensorDesc*, int, const int64_t*) { return ACL_SUCCESS; }  // of the storage
EMULATED aclError aclSetTensorFormat(aclTensorDesc*, aclFormat) { return ACL_SUCCESS; }           // of the storage
EMULATED aclError aclSetTensorPlaceMent(aclTensorDesc*, aclMemType) { return ACL_SUCCESS; }
EMULATED void aclSetTensorDescName(aclTensorDesc* desc, const char* name) { desc->name = name; }
EMULATED aclError aclSetTensorConst(aclTensorDesc* desc, void* data, size_t) {
  desc->constant = data;
  return ACL_SUCCESS;
}
EMULATED aclDataType aclGetTensorDescType(const aclTensorDesc* desc) { return desc->dtype; }
EMULATED aclFormat aclGetTensorDescFormat(const aclTensorDesc* desc) { return desc->format; }
EMULATED size_t aclGetTensorDescNumDims(const aclTensorDesc* desc) { return desc->sizes.size(); }
EMULATED aclError aclGetTensorDescDimV2(const aclTensorDesc* desc, size_t index, int64_t* size) {
  *size = desc->sizes.at(index);
  return ACL_SUCCESS;
}
EMULATED aclDataBuffer* aclCreateDataBuffer(void* data, size_t) { return new aclDataBuffer{data}; }
EMULATED aclError aclDestroyDataBuffer(const aclDataBuffer* buffer) {
  delete buffer;
  return ACL_SUCCESS;
}

EMULATED aclopAttr* aclopCreateAttr() { return new aclopAttr; }
EMULATED void aclopDestroyAttr(const aclopAttr* attributes) { delete attributes; }
EMULATED aclError aclopSetAttrBool(aclopAttr* a, const char* name, uint8_t value) {
  return set_attribute(a, name, bool(value));
}
EMULATED aclError aclopSetAttrInt(aclopAttr* a, const char* name, int64_t value) { return set_attribute(a, name, value); }
EMULATED aclError aclopSetAttrFloat(aclopAttr* a, const char* name, float value) {
  return set_attribute(a, name, double(value));
}
EMULATED aclError aclopSetAttrString(aclopAttr* a, const char* name, const char* value) {
  return set_attribute(a, name, std::string(value));
}
EMULATED aclError aclopSetAttrDataType(aclopAttr* a, const char* name, aclDataType value) {
  return set_attribute(a, name, int64_t(value));
}
EMULATED aclError aclopSetAttrListInt(aclopAttr* a, const char* name, int count, const int64_t* values) {
  return set_attribute(a, name, std::vector<int64_t>(values, values + count));
}
EMULATED aclError aclopSetAttrListFloat(aclopAttr* a, const char* name, int count, const float* values) {
  return set_attribute(a, name, std::vector<double>(values, values + count));
}
EMULATED aclError aclopSetAttrListBool(aclopAttr* a, const char* name, int count, const uint8_t* values) {
  return set_attribute(a, name, std::vector<int64_t>(values, values + count));
}
EMULATED aclError aclopSetAttrListListInt(aclopAttr* a, const char* name, int count, const int* sizes,
                                          const int64_t* const values[]) {
  std::vector<int64_t> flat;
  for (int i = 0; i < count; ++i) flat.insert(flat.end(), values[i], values[i] + sizes[i]);
  return set_attribute(a, name, flat);
}

EMULATED aclError aclopCompileAndExecute(const char* type, int inputs, const aclTensorDesc* const input_descs[],
                                         const aclDataBuffer* const input_buffers[], int outputs,
                                         const aclTensorDesc* const output_descs[],
                                         aclDataBuffer* const output_buffers[], const aclopAttr* attributes,
                                         aclopEngineType, aclopCompileType, const char*, aclrtStream stream) {
  const emulator::RunningOn device(stream);
  emulator::count("aclop", type);
  for (const auto phase : {emulator::Phase::Plan, emulator::Phase::Execute})
    if (const auto code = emulator::injected_failure(type, phase)) return emulator::fail_device(*code);
  const auto body = [&] {
    emulator::AclopCall call{type, {}, {}, attributes ? attributes->values : std::map<std::string, at::IValue>()};
    for (int i = 0; i < inputs; ++i) call.inputs.push_back(emulator::tensor_of(input_descs[i], input_buffers[i]));
    for (int i = 0; i < outputs; ++i) call.outputs.push_back(emulator::tensor_of(output_descs[i], output_buffers[i]));
    const auto entry = emulator::entries().find(type);
    TORCH_CHECK(entry != emulator::entries().end(), "the aclop operator is not written (csrc/emulator/operators); it was called as ",
                call.text());
    entry->second(call);
  };
  return emulator::fail_device(emulator::guarded(type, body));
}
EMULATED aclError aclopCompileAndExecuteV2(const char* type, int inputs, aclTensorDesc* input_descs[],
                                           aclDataBuffer* input_buffers[], int outputs, aclTensorDesc* output_descs[],
                                           aclDataBuffer* output_buffers[], aclopAttr* attributes,
                                           aclopEngineType engine, aclopCompileType compile, const char* path,
                                           aclrtStream stream) {
  return aclopCompileAndExecute(type, inputs, input_descs, input_buffers, outputs, output_descs, output_buffers,
                                attributes, engine, compile, path, stream);
}
