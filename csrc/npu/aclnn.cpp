#include "aclnn.h"

#include <dlfcn.h>
#include <torch_npu/csrc/core/npu/NPUException.h>
#include <torch_npu/csrc/core/npu/NPUFormat.h>
#include <torch_npu/csrc/core/npu/NPUStream.h>
#include <torch_npu/csrc/framework/OpCommand.h>

#include <string>

namespace mx_driving {
namespace npu {
namespace {

using CreateTensor = aclTensor* (*)(
    const int64_t* sizes, uint64_t dims, int dtype, const int64_t* strides, int64_t offset, int format,
    const int64_t* storage_sizes, uint64_t storage_dims, void* data);
using DestroyTensor = int (*)(const aclTensor*);
using SecondPhase = int (*)(void* workspace, uint64_t workspace_size, aclOpExecutor*, aclrtStream);

// Newer CANN divides libopapi.so by kind. Not asked is libcust_opapi.so: other packages install operators there under
// names of CANN's whose arguments need not be CANN's.
void* find_symbol(const std::string& name) {
  for (const char* file : {"libopapi.so", "libopapi_nn.so", "libopapi_cv.so", "libnnopbase.so"}) {
    void* const library = dlopen(file, RTLD_LAZY);
    void* const found = library ? dlsym(library, name.c_str()) : nullptr;
    if (found) return found;
  }
  return nullptr;
}

void* symbol(const char* name) {
  void* const found = find_symbol(name);
  TORCH_CHECK(
      found, "CANN's libopapi.so has no ", name, ": source CANN's set_env.sh, or install a CANN that fits torch_npu");
  return found;
}

int acl_dtype(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat: return ACL_FLOAT;
    case at::kInt: return ACL_INT32;
    case at::kLong: return ACL_INT64;
    default: TORCH_CHECK(false, "float32, int32 or int64 was expected for an operator of CANN, got ", dtype);
  }
}

aclTensor* describe(const at::Tensor& tensor) {
  static const auto create = reinterpret_cast<CreateTensor>(symbol("aclCreateTensor"));
  const auto storage_size = static_cast<int64_t>(tensor.storage().nbytes() / tensor.element_size());
  auto* const handle = create(
      tensor.sizes().data(), tensor.dim(), acl_dtype(tensor.scalar_type()), tensor.strides().data(),
      tensor.storage_offset(), ACL_FORMAT_ND, &storage_size, 1, const_cast<void*>(tensor.storage().data()));
  TORCH_CHECK(handle, "CANN's aclCreateTensor failed: ", c10_npu::c10_npu_get_error_message());
  return handle;
}

bool is_base_format(int64_t format) {
  return format == ACL_FORMAT_ND || format == ACL_FORMAT_NCHW || format == ACL_FORMAT_NHWC ||
         format == ACL_FORMAT_NCDHW;
}

} // namespace

AclnnOperator::AclnnOperator(const char* name)
    : name(name), plan(find_symbol(std::string(name) + "GetWorkspaceSize")), execute(find_symbol(name)) {
}

AclTensors::AclTensors(const std::vector<at::Tensor>& tensors) {
  for (const auto& tensor : tensors) handles_.emplace_back(describe(tensor));
}

void AclTensors::Destroy::operator()(aclTensor* handle) const {
  static const auto destroy = reinterpret_cast<DestroyTensor>(symbol("aclDestroyTensor"));
  destroy(handle);
}

at::Tensor in_base_format(const at::Tensor& tensor) {
  const bool fits = is_base_format(at_npu::native::get_npu_format(tensor));
  return fits ? tensor : at_npu::native::npu_format_cast(tensor, ACL_FORMAT_ND);
}

void launch(const AclnnOperator& op, const Plan& plan, std::shared_ptr<AclTensors> handles, at::Device device) {
  TORCH_CHECK(
      plan.status == 0, op.name, " refused its arguments, error code ", plan.status, ": ",
      c10_npu::c10_npu_get_error_message());
  const auto stream = c10_npu::getCurrentNPUStream(device.index()).stream(/*need_empty=*/false);
  const auto options = at::TensorOptions(device).dtype(at::kByte);
  const auto workspace =
      plan.workspace_size ? at::empty({static_cast<int64_t>(plan.workspace_size)}, options) : at::Tensor();
  void* const address = workspace.defined() ? workspace.data_ptr() : nullptr;
  const auto execute = reinterpret_cast<SecondPhase>(op.execute);
  // torch_npu runs this on its queue's thread, in turn with its own operators.
  const auto body = [=, held = std::move(handles)]() -> int {
    return execute(address, plan.workspace_size, plan.executor, stream);
  };
  at_npu::native::OpCommand command;
  command.Name(op.name).SetCustomHandler(body).Run();
}

} // namespace npu
} // namespace mx_driving
