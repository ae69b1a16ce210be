// Compile options and CANN attributes: the answers that make torch_npu take the aclnn route.
#include <acl/acl.h>
#include <acl/acl_op_compiler.h>

#include "emulator/runtime/state.h"

namespace {

std::mutex options_mutex;
std::map<int, std::string> options{{ACL_OP_JIT_COMPILE, "disable"}};

std::string option(int key) {
  std::lock_guard<std::mutex> lock(options_mutex);
  const auto found = options.find(key);
  return found == options.end() ? "1" : found->second;
}

}  // namespace

EMULATED aclError aclSetCompileopt(aclCompileOpt key, const char* value) {
  std::lock_guard<std::mutex> lock(options_mutex);
  options[key] = value ? value : "";
  return ACL_SUCCESS;
}
EMULATED size_t aclGetCompileoptSize(aclCompileOpt key) { return option(key).size() + 1; }
EMULATED aclError aclGetCompileopt(aclCompileOpt key, char* value, size_t size) {
  std::snprintf(value, size, "%s", option(key).c_str());
  return ACL_SUCCESS;
}

// INF_NAN must be reported as supported, or GradScaler asks the device for overflow flags that it does not have.
EMULATED aclError aclGetCannAttributeList(const aclCannAttr** attributes, size_t* count) {
  static const aclCannAttr supported[] = {ACL_CANN_ATTR_INF_NAN, ACL_CANN_ATTR_BF16, ACL_CANN_ATTR_JIT_COMPILE};
  *attributes = supported;
  *count = 3;
  return ACL_SUCCESS;
}
EMULATED aclError aclGetCannAttribute(aclCannAttr, int32_t* value) {
  *value = 1;
  return ACL_SUCCESS;
}
