// What the whole emulated machine shares: settings, last error, call counts, injected faults.
#pragma once

#include "emulator/prelude.h"

namespace emulator {

constexpr int kBadParameter = 161002;    // ACLNN_ERR_PARAM_INVALID: first phase of an operator
constexpr int kExecutionFailed = 507015;  // ACL_ERROR_RT_AICORE_EXCEPTION: a kernel died on the device
constexpr int kOutOfMemory = 207001;      // ACL_ERROR_STORAGE_OVER_LIMIT

/// Value of MX_DRIVING_EMULATOR_<name>, or otherwise.
std::string setting(const char* name, const char* otherwise);

void set_error(const std::string& message);
/// Count a call under its route ("aclnn", "aclop", "hccl"); `--count FILE` writes the totals at exit.
void count(const char* route, const char* name);

enum class Phase { Plan, Execute };
/// The code that `--fail name[=code][@run]` asks this operator to return in this phase.
std::optional<int> injected_failure(const char* name, Phase phase);

/// Run on the CPU as a device kernel would: no autograd, no autocast, no profiler record. Returns an ACL code.
int guarded(const char* name, const std::function<void()>& body);

/// The code of the first kernel that failed on the device; 0 while all is well. A real stream stays in error too.
int device_status();
int fail_device(int code);

/// Index of the device that this thread has chosen, of a stream's (null is the default stream of that device), and of
/// the one whose memory this is: -1 for host memory.
int current_device();
int device_of_stream(const void* stream);
int device_of_memory(const void* data);

/// While it lives, an operator of that stream runs in this thread: check_device refuses memory of another device, unless
/// peer access was enabled, as torch_npu does to copy. It finds an operator that was queued without a device guard.
class RunningOn {
 public:
  explicit RunningOn(const void* stream);
  ~RunningOn();
  RunningOn(const RunningOn&) = delete;
};
void check_device(const void* data);

}  // namespace emulator
