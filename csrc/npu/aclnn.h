// Calls an operator of CANN's library by its name, through what torch_npu exports for extensions.
#pragma once

#include <op_plugin/utils/op_api_common_base.h>

#include <string>

namespace c10_npu {
const char* c10_npu_get_error_message();
}

namespace mx_driving {
namespace npu {

// Plans the operator, throws if CANN refuses the arguments, and queues it on the current stream.
// torch_npu's own EXEC_NPU_CMD needs symbols that its library hides, and EXEC_NPU_CMD_EXT, which does not, drops the
// status of the plan: a refusal would come later, as a null executor without CANN's reason.
template <class... Arguments>
void run_aclnn(const char* name, const Arguments&... arguments) {
  void *plan = nullptr, *execute = nullptr;
  GetApiFunc(name, (std::string(name) + "GetWorkspaceSize").c_str(), execute, plan);
  InitExecCommonCtx();
  const auto stream = GetAclStream();
  uint64_t workspace_size = 0;
  uint64_t* size_result = &workspace_size; // ConvertTypes binds lvalues only
  aclOpExecutor* executor = nullptr;
  aclOpExecutor** executor_result = &executor;
  auto handles = ConvertTypes(arguments..., size_result, executor_result);
  const int status = call(ConvertToOpApiFunc(handles, plan), handles);
  if (status != 0) {
    ReleaseConvertTypes(handles);
    UnInitExecCommonCtx();
    TORCH_CHECK(false, name, " refused its arguments, error code ", status, ": ", c10_npu::c10_npu_get_error_message());
  }
  void* workspace = GetWorkSpaceAddr(workspace_size);
  RunAclCall(name, [=]() -> int {
    InitExecSubTheadCtx(stream);
    auto held = handles; // released by value: the lambda may run on torch_npu's queue thread
    const int result = ExecuteApiFunc(execute, stream, workspace, workspace_size, executor);
    ReleaseConvertTypes(held);
    ReleaseExecCommonCtx();
    return result;
  });
  UnInitExecCommonCtx();
}

} // namespace npu
} // namespace mx_driving
