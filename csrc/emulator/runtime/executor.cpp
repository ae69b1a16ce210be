// The two phases of an aclnn operator, and what happens to an operator that nobody wrote.
#include "emulator/operator.h"

namespace emulator {

void write(const aclTensor* out, const at::Tensor& result) {
  if (!out || !result.defined()) return;
  write_into(view(out), result);
}

void resize_and_write(aclTensor* out, const at::Tensor& result) {
  if (!out) return;
  out->sizes = result.sizes().vec();
  out->strides = contiguous_strides(out->sizes);
  write(out, result);
}

at::Scalar number(const void* handle, size_t index) {
  const auto kind = kind_of(handle);
  TORCH_CHECK(kind, "a number was expected, not ", describe(reinterpret_cast<uint64_t>(handle)));
  if (*kind == Kind::Scalar) return static_cast<const aclScalar*>(handle)->value;
  if (*kind == Kind::ScalarList) return static_cast<const aclScalarList*>(handle)->values.at(index)->value;
  const auto values = view(static_cast<const aclTensor*>(handle)).flatten();
  return values[values.numel() == 1 ? 0 : int64_t(index)].item();
}

at::Generator generator(uint64_t seed, uint64_t offset) {
  return at::detail::createCPUGenerator(seed * 1000003 + offset);
}

int plan(const char* name, uint64_t* workspace_size, aclOpExecutor** executor, std::function<void()> body) {
  if (const auto code = injected_failure(name, Phase::Plan)) return *code;
  *workspace_size = 0;
  *executor = new aclOpExecutor{name, std::move(body)};
  return 0;
}

int execute(aclOpExecutor* executor, void* stream) {
  const std::unique_ptr<aclOpExecutor> owner(executor);
  const RunningOn device(stream);
  count("aclnn", owner->name);
  if (const auto code = injected_failure(owner->name, Phase::Execute)) return fail_device(*code);
  return fail_device(guarded(owner->name, owner->body));
}

}  // namespace emulator

// Called by every trampoline of missing.c with the words that the caller put where arguments go. The list ends at
// the two pointers (workspace size, executor) that close every first-phase call.
EMULATED int emulator_missing_operator(const char* name, const uint64_t* words, int count, const double* floats) {
  std::string text;
  const auto is_pointer = [&](int i) { return emulator::describe(words[i]) == "pointer"; };
  for (int i = 0; i < count && !(i + 1 < count && is_pointer(i) && is_pointer(i + 1)); ++i)
    text += (i ? ", " : "") + emulator::describe(words[i]);
  std::ostringstream numbers;
  for (int i = 0; i < 3; ++i) numbers << (i ? ", " : "") << floats[i];
  const std::string operator_name = std::string(name).substr(0, std::string_view(name).find("GetWorkspaceSize"));
  emulator::count("missing", operator_name.c_str());
  emulator::set_error("mx_driving emulator: the operator " + operator_name +
                      " is not written (csrc/emulator/operators); it was called with (" + text +
                      "); floating-point registers: " + numbers.str());
  return emulator::fail_device(emulator::kBadParameter);
}

// CANN's workspace pool and its executor cache: the emulator needs no workspace and caches nothing.
EMULATED int InitHugeMemThreadLocal(void*, bool) { return 0; }
EMULATED void UnInitHugeMemThreadLocal(void*, bool) {}
EMULATED void ReleaseHugeMem(void*, bool) {}
