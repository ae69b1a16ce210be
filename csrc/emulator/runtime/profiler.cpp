// The profiler's device side. It accepts every request and records nothing: traces written with the emulator hold
// host activity only, because there is no device whose kernels could be timed.
#include <acl/acl.h>
#include <acl/acl_prof.h>

#include <chrono>

#include "emulator/runtime/state.h"

struct aclprofConfig {};
struct aclprofStepInfo {};

EMULATED aclError aclprofInit(const char*, size_t) { return ACL_SUCCESS; }
EMULATED aclError aclprofFinalize() { return ACL_SUCCESS; }
EMULATED aclprofConfig* aclprofCreateConfig(uint32_t*, uint32_t, aclprofAicoreMetrics, const aclprofAicoreEvents*,
                                            uint64_t) {
  return new aclprofConfig;
}
EMULATED aclError aclprofDestroyConfig(const aclprofConfig* config) {
  delete config;
  return ACL_SUCCESS;
}
EMULATED aclError aclprofSetConfig(aclprofConfigType, const char*, size_t) { return ACL_SUCCESS; }
EMULATED aclError aclprofWarmup(const aclprofConfig*) { return ACL_SUCCESS; }
EMULATED aclError aclprofStart(const aclprofConfig*) { return ACL_SUCCESS; }
EMULATED aclError aclprofStop(const aclprofConfig*) { return ACL_SUCCESS; }
EMULATED aclprofStepInfo* aclprofCreateStepInfo() { return new aclprofStepInfo; }
EMULATED void aclprofDestroyStepInfo(aclprofStepInfo* step) { delete step; }
EMULATED aclError aclprofGetStepTimestamp(aclprofStepInfo*, aclprofStepTag, aclrtStream) { return ACL_SUCCESS; }
EMULATED aclError aclprofMarkEx(const char*, size_t, aclrtStream) { return ACL_SUCCESS; }
EMULATED int aclprofRegisterDeviceCallback() { return 0; }
EMULATED int aclprofGetSupportedFeatures(size_t* size, void** features) {
  static char none[64];
  *size = 0;
  *features = none;
  return 0;
}
EMULATED int aclprofGetSupportedFeaturesV2(size_t* size, void** features) {
  return aclprofGetSupportedFeatures(size, features);
}

EMULATED int MsprofRegisterCallback(uint32_t, void*) { return 0; }
EMULATED int MsprofReportApi(uint32_t, const void*) { return 0; }
EMULATED int MsprofReportCompactInfo(uint32_t, const void*, uint32_t) { return 0; }
EMULATED int MsprofReportAdditionalInfo(uint32_t, const void*, uint32_t) { return 0; }
EMULATED uint64_t MsprofGetHashId(const char* text, size_t size) { return std::hash<std::string>()({text, size}); }
EMULATED uint64_t MsprofSysCycleTime() { return std::chrono::steady_clock::now().time_since_epoch().count(); }
EMULATED int halGetAPIVersion(int* version) {
  *version = 0x071905;
  return 0;
}
EMULATED int halGetDeviceInfo(uint32_t, int, int, int64_t* value) {
  *value = 1000;  // the frequency of the device's cycle counter in MHz: divides time stamps, so not zero
  return 0;
}
