// Streams and events. Every call runs in the caller's thread (torch_npu has a queue thread of its own), so that a
// stream is always up to date and an event is a time stamp.
#include <acl/acl.h>

#include <chrono>

#include "emulator/runtime/state.h"

namespace {

struct Stream {
  int32_t id, device;
};
struct Event {
  std::chrono::steady_clock::time_point recorded;
};

aclError create_stream(aclrtStream* stream) {
  static std::atomic<int32_t> next_id{1};
  *stream = new Stream{next_id++, emulator::current_device()};
  return ACL_SUCCESS;
}
aclError create_event(aclrtEvent* event) {
  *event = new Event{};
  return ACL_SUCCESS;
}
Event* as_event(aclrtEvent event) { return static_cast<Event*>(event); }

}  // namespace

int emulator::device_of_stream(const void* stream) {
  return stream ? static_cast<const Stream*>(stream)->device : current_device();
}

EMULATED aclError aclrtCreateStream(aclrtStream* stream) { return create_stream(stream); }
EMULATED aclError aclrtCreateStreamWithConfig(aclrtStream* stream, uint32_t, uint32_t) { return create_stream(stream); }
// The few bytes stay: an operator may be queued on it still, and asks it for its device.
EMULATED aclError aclrtDestroyStream(aclrtStream) { return ACL_SUCCESS; }
EMULATED aclError aclrtDestroyStreamForce(aclrtStream stream) { return aclrtDestroyStream(stream); }
EMULATED aclError aclrtStreamGetId(aclrtStream stream, int32_t* id) {
  *id = stream ? static_cast<Stream*>(stream)->id : 0;
  return ACL_SUCCESS;
}
EMULATED aclError aclrtStreamQuery(aclrtStream, aclrtStreamStatus* status) {
  *status = ACL_STREAM_STATUS_COMPLETE;
  return emulator::device_status();
}
EMULATED aclError aclrtSynchronizeStream(aclrtStream) { return emulator::device_status(); }
EMULATED aclError aclrtSynchronizeStreamWithTimeout(aclrtStream, int32_t) { return emulator::device_status(); }
EMULATED aclError aclrtStreamWaitEvent(aclrtStream, aclrtEvent) { return ACL_SUCCESS; }
EMULATED aclError aclrtSetStreamFailureMode(aclrtStream, uint64_t) { return ACL_SUCCESS; }
EMULATED aclError aclrtSetOpWaitTimeout(uint32_t) { return ACL_SUCCESS; }
EMULATED aclError aclrtSetOpExecuteTimeOut(uint32_t) { return ACL_SUCCESS; }
EMULATED aclError aclrtDeviceGetStreamPriorityRange(int32_t* least, int32_t* greatest) {
  *least = 7;
  *greatest = 0;
  return ACL_SUCCESS;
}

EMULATED aclError aclrtCreateEvent(aclrtEvent* event) { return create_event(event); }
EMULATED aclError aclrtCreateEventWithFlag(aclrtEvent* event, uint32_t) { return create_event(event); }
EMULATED aclError aclrtCreateEventExWithFlag(aclrtEvent* event, uint32_t) { return create_event(event); }
EMULATED aclError aclrtDestroyEvent(aclrtEvent event) {
  delete as_event(event);
  return ACL_SUCCESS;
}
EMULATED aclError aclrtRecordEvent(aclrtEvent event, aclrtStream) {
  as_event(event)->recorded = std::chrono::steady_clock::now();
  return ACL_SUCCESS;
}
EMULATED aclError aclrtResetEvent(aclrtEvent, aclrtStream) { return ACL_SUCCESS; }
EMULATED aclError aclrtSynchronizeEvent(aclrtEvent) { return emulator::device_status(); }
EMULATED aclError aclrtQueryEventStatus(aclrtEvent, aclrtEventRecordedStatus* status) {
  *status = ACL_EVENT_RECORDED_STATUS_COMPLETE;
  return emulator::device_status();
}
EMULATED aclError aclrtQueryEventWaitStatus(aclrtEvent, aclrtEventWaitStatus* status) {
  *status = ACL_EVENT_WAIT_STATUS_COMPLETE;
  return ACL_SUCCESS;
}
EMULATED aclError aclrtEventElapsedTime(float* milliseconds, aclrtEvent start, aclrtEvent end) {
  *milliseconds = std::chrono::duration<float, std::milli>(as_event(end)->recorded - as_event(start)->recorded).count();
  return ACL_SUCCESS;
}
EMULATED aclError aclrtEventGetTimestamp(aclrtEvent event, uint64_t* microseconds) {
  const auto since_start = as_event(event)->recorded.time_since_epoch();
  *microseconds = std::chrono::duration_cast<std::chrono::microseconds>(since_start).count();
  return ACL_SUCCESS;
}

EMULATED aclError aclrtLaunchHostFunc(aclrtStream, aclrtHostFunc function, void* argument) {
  function(argument);
  return ACL_SUCCESS;
}
EMULATED aclError aclrtLaunchCallback(aclrtCallback function, void* argument, aclrtCallbackBlockType, aclrtStream) {
  function(argument);
  return ACL_SUCCESS;
}
