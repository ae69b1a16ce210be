// Symbols that libtorch_npu.so links against for features outside this emulator. They must exist for the library to
// load; calling one is an error that names it.
#include "emulator/runtime/state.h"

#define UNSUPPORTED(NAME)                                                                                   \
  EMULATED int NAME() {                                                                                     \
    emulator::set_error("mx_driving emulator: " #NAME " is outside of what the emulator does");             \
    return emulator::kBadParameter;                                                                         \
  }

// Kernels compiled by the user, and launches of them.
UNSUPPORTED(aclrtBinaryGetFunction)
UNSUPPORTED(aclrtBinaryLoadFromData)
UNSUPPORTED(aclrtGetFunctionAddr)
UNSUPPORTED(rtDevBinaryRegister)
UNSUPPORTED(rtFunctionRegister)
UNSUPPORTED(rtGetC2cCtrlAddr)
UNSUPPORTED(rtKernelLaunch)
// Memory shared between processes.
UNSUPPORTED(aclrtMemExportToShareableHandle)
UNSUPPORTED(aclrtMemImportFromShareableHandle)
UNSUPPORTED(aclrtMemSetPidToShareableHandle)
// Overflow dumps and callbacks on report threads.
UNSUPPORTED(aclmdlInitDump)
UNSUPPORTED(aclmdlSetDump)
UNSUPPORTED(aclmdlFinalizeDump)
UNSUPPORTED(aclrtProcessReport)
