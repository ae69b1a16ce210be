// Devices, contexts and what the machine says of itself.
#include <acl/acl.h>
#include <unistd.h>

#include "emulator/runtime/state.h"

namespace {

constexpr int64_t kCores = 24;
constexpr int kMaxDevices = 16;  // as the launcher says
constexpr uintptr_t kFirstContext = 0x1000;  // a context is this plus the device's index, so never null

thread_local int32_t chosen_device = 0;
thread_local int32_t running_device = -1;
std::atomic<bool> peers[kMaxDevices][kMaxDevices];  // the first may use the memory of the second

int32_t device_count() {
  static const int32_t devices = std::stoi(emulator::setting("DEVICES", "1"));
  return devices;
}

template <class Value>
aclError answer(Value* where, Value value) {
  *where = value;
  return ACL_SUCCESS;
}

}  // namespace

namespace emulator {

int current_device() { return chosen_device; }

RunningOn::RunningOn(const void* stream) { running_device = device_of_stream(stream); }
RunningOn::~RunningOn() { running_device = -1; }

void check_device(const void* data) {
  TORCH_CHECK(running_device < 0 || running_device == chosen_device, "a stream of npu:", running_device,
              " came to a thread that works on npu:", chosen_device, ": the caller chose no device");
  const int device = data && running_device >= 0 ? device_of_memory(data) : -1;
  TORCH_CHECK(device < 0 || device == running_device || peers[running_device][device], "a tensor of npu:", device,
              " came to a stream of npu:", running_device, ": the caller chose no device");
}

}  // namespace emulator

EMULATED aclError aclInit(const char*) { return ACL_SUCCESS; }
EMULATED aclError aclFinalize() { return ACL_SUCCESS; }
EMULATED void aclAppLog(aclLogLevel, const char*, const char*, uint32_t, const char*, ...) {}

EMULATED aclError aclrtGetDeviceCount(uint32_t* count) { return answer(count, uint32_t(device_count())); }
EMULATED aclError aclrtSetDevice(int32_t device) {
  if (device < 0 || device >= device_count()) {
    emulator::set_error("mx_driving emulator: there is no device " + std::to_string(device) +
                        ", start it with --devices " + std::to_string(device + 1));
    return ACL_ERROR_INVALID_DEVICE;
  }
  return answer(&chosen_device, device);
}
EMULATED aclError aclrtResetDevice(int32_t) { return ACL_SUCCESS; }
EMULATED aclError aclrtGetDevice(int32_t* device) { return answer(device, chosen_device); }
EMULATED aclError aclrtGetCurrentContext(aclrtContext* context) {
  return answer(context, reinterpret_cast<aclrtContext>(kFirstContext + chosen_device));
}
EMULATED aclError aclrtSetCurrentContext(aclrtContext context) {
  return answer(&chosen_device, int32_t(reinterpret_cast<uintptr_t>(context) - kFirstContext));
}
EMULATED aclError aclrtGetPrimaryCtxState(int32_t, uint32_t* flags, int32_t* active) {
  if (flags) *flags = 0;
  return answer(active, 1);
}
EMULATED aclError aclrtSynchronizeDevice() { return emulator::device_status(); }
EMULATED aclError aclrtSynchronizeDeviceWithTimeout(int32_t) { return emulator::device_status(); }

EMULATED const char* aclrtGetSocName() {
  static const std::string soc = emulator::setting("SOC", "Ascend910B1");
  return soc.c_str();
}
EMULATED aclError aclrtGetDeviceInfo(uint32_t, aclrtDevAttr, int64_t* value) { return answer(value, kCores); }
EMULATED aclError aclGetDeviceCapability(uint32_t, aclDeviceInfo, int64_t* value) { return answer(value, kCores); }
EMULATED aclError aclrtGetDeviceResLimit(int32_t, aclrtDevResLimitType, uint32_t* value) {
  return answer(value, uint32_t(kCores));
}
EMULATED aclError aclrtGetResInCurrentThread(aclrtDevResLimitType, uint32_t* value) {
  return answer(value, uint32_t(kCores));
}
EMULATED aclError aclrtDeviceCanAccessPeer(int32_t* can, int32_t, int32_t) { return answer(can, 1); }
EMULATED aclError aclrtDeviceEnablePeerAccess(int32_t peer, uint32_t) {
  peers[chosen_device][peer] = true;
  return ACL_SUCCESS;
}
EMULATED aclError aclrtDeviceGetBareTgid(int32_t* process) { return answer(process, int32_t(getpid())); }

EMULATED aclError aclsysGetVersionStr(char* /*package*/, char* version) {
  std::strcpy(version, emulator::setting("CANN", "8.5.0").c_str());
  return ACL_SUCCESS;
}
EMULATED aclError aclrtSetDeviceSatMode(aclrtFloatOverflowMode) { return ACL_SUCCESS; }
EMULATED aclError aclrtGetSysParamOpt(aclSysParamOpt, int64_t* value) { return answer(value, int64_t(0)); }
EMULATED aclError aclrtSetSysParamOpt(aclSysParamOpt, int64_t) { return ACL_SUCCESS; }
EMULATED aclError aclrtCtxSetSysParamOpt(aclSysParamOpt, int64_t) { return ACL_SUCCESS; }
