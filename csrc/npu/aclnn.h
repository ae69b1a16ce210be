// Calls an operator of CANN's library by its name. torch_npu's own macros for this came with 2.10 and change since;
// what is used here, its command queue and CANN's C interface, is the same from torch_npu 2.1 on.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <utility>
#include <vector>

struct aclTensor;
struct aclOpExecutor;

namespace mx_driving {
namespace npu {

// The two phases of an operator; null where this CANN lacks it.
struct AclnnOperator {
  explicit AclnnOperator(const char* name);
  explicit operator bool() const {
    return plan && execute;
  }

  const char* name;
  void *plan, *execute;
};

// CANN's descriptions of the tensors of one call. The memory stays the caller's: it may be freed once the operator is
// queued, since the allocator reuses it in the order of the stream.
class AclTensors {
 public:
  explicit AclTensors(const std::vector<at::Tensor>& tensors);
  aclTensor* operator[](size_t i) const {
    return handles_[i].get();
  }

 private:
  struct Destroy {
    void operator()(aclTensor* handle) const;
  };
  std::vector<std::unique_ptr<aclTensor, Destroy>> handles_;
};

// The tensor, out of torch_npu's private memory formats if it is in one: operators of the vision kind refuse them.
at::Tensor in_base_format(const at::Tensor& tensor);

// What the first phase leaves for the second.
struct Plan {
  int status = 0;
  uint64_t workspace_size = 0;
  aclOpExecutor* executor = nullptr;
};

// Throws if CANN refused the arguments; otherwise queues the operator on the current stream.
void launch(const AclnnOperator& op, const Plan& plan, std::shared_ptr<AclTensors> handles, at::Device device);

template <size_t>
using Handle = aclTensor*;

template <size_t... I>
Plan make_plan(const AclnnOperator& op, const AclTensors& handles, std::index_sequence<I...>) {
  using FirstPhase = int (*)(Handle<I>..., uint64_t*, aclOpExecutor**);
  Plan plan;
  plan.status = reinterpret_cast<FirstPhase>(op.plan)(handles[I]..., &plan.workspace_size, &plan.executor);
  return plan;
}

// Runs an operator whose arguments are tensors only, inputs before outputs, on the device of the first one.
template <class... Tensors>
void run_aclnn(const AclnnOperator& op, const Tensors&... tensors) {
  const std::vector<at::Tensor> all{in_base_format(tensors)...};
  const auto handles = std::make_shared<AclTensors>(all);
  launch(op, make_plan(op, *handles, std::index_sequence_for<Tensors...>()), handles, all.front().device());
}

} // namespace npu
} // namespace mx_driving
