// Device memory: host memory with a limit for each device, so that running out of it and its statistics can be seen.
#include <acl/acl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "emulator/runtime/state.h"

namespace {

constexpr size_t kAlignment = 512;        // what aclrtMalloc promises
constexpr size_t kPadding = 32;           // CANN kernels may read this much past the end
constexpr size_t kGranularity = 2 << 20;  // of a physical block

// Virtual blocks of torch_npu's expandable segments are mappings of an anonymous file.
struct PhysicalBlock {
  int file, device;
  size_t size;
};
struct Range {
  size_t size;
  int device;
};

class DeviceMemory {
 public:
  bool take(const Range& range) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto& used = used_[range.device];
    if (used + range.size > total_) return false;
    used += range.size;
    return true;
  }
  void give_back(const Range& range) {
    std::lock_guard<std::mutex> lock(mutex_);
    used_[range.device] -= range.size;
  }
  void remember(const void* data, const Range& range) {
    std::lock_guard<std::mutex> lock(mutex_);
    ranges_[static_cast<const char*>(data)] = range;
  }
  Range forget(const void* data) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = ranges_.find(static_cast<const char*>(data));
    if (found == ranges_.end()) return {0, 0};
    const auto range = found->second;
    ranges_.erase(found);
    return range;
  }
  int device_of(const void* data) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto* address = static_cast<const char*>(data);
    const auto after = ranges_.upper_bound(address);
    if (after == ranges_.begin()) return -1;
    const auto& [start, range] = *std::prev(after);
    return address < start + range.size ? range.device : -1;
  }
  size_t total() const { return total_; }
  size_t free_bytes(int device) {
    std::lock_guard<std::mutex> lock(mutex_);
    return total_ - used_[device];
  }

 private:
  const size_t total_ = std::stoull(emulator::setting("MEMORY_GB", "32")) << 30;
  std::mutex mutex_;
  std::map<const char*, Range> ranges_;
  std::map<int, size_t> used_;
};

DeviceMemory& memory() {
  static auto* instance = new DeviceMemory;  // never destroyed: torch_npu frees its blocks after our statics are gone
  return *instance;
}

void* aligned(size_t size) { return aligned_alloc(kAlignment, (size + kAlignment - 1) / kAlignment * kAlignment); }

aclError allocate(void** data, size_t size) {
  const Range range{size, emulator::current_device()};
  if (!memory().take(range)) {
    emulator::set_error("mx_driving emulator: out of device memory (MX_DRIVING_EMULATOR_MEMORY_GB)");
    return emulator::kOutOfMemory;
  }
  *data = aligned(size + kPadding);
  if (!*data) {
    memory().give_back(range);
    return emulator::kOutOfMemory;
  }
  memory().remember(*data, range);
  return ACL_SUCCESS;
}

// Work runs in the caller's thread, so a copy finds everything before it done; a device in error copies nothing.
aclError copy(void* to, const void* from, size_t size) {
  if (const int status = emulator::device_status()) return status;
  std::memmove(to, from, size);
  return ACL_SUCCESS;
}

}  // namespace

int emulator::device_of_memory(const void* data) { return memory().device_of(data); }

EMULATED aclError aclrtMalloc(void** data, size_t size, aclrtMemMallocPolicy) { return allocate(data, size); }
EMULATED aclError aclrtMallocAlign32(void** data, size_t size, aclrtMemMallocPolicy) { return allocate(data, size); }
EMULATED aclError aclrtFree(void* data) {
  memory().give_back(memory().forget(data));
  std::free(data);
  return ACL_SUCCESS;
}
EMULATED aclError aclrtMallocHost(void** data, size_t size) {
  *data = aligned(size);
  return *data ? ACL_SUCCESS : aclError(emulator::kOutOfMemory);
}
EMULATED aclError aclrtMallocHostWithCfg(void** data, uint64_t size, aclrtMallocConfig*) {
  return aclrtMallocHost(data, size);
}
EMULATED aclError aclrtFreeHost(void* data) {
  std::free(data);
  return ACL_SUCCESS;
}
EMULATED aclError aclrtGetMemInfo(aclrtMemAttr, size_t* free_bytes, size_t* total) {
  *total = memory().total();
  *free_bytes = memory().free_bytes(emulator::current_device());
  return ACL_SUCCESS;
}

EMULATED aclError aclrtMemcpy(void* to, size_t, const void* from, size_t size, aclrtMemcpyKind) {
  return copy(to, from, size);
}
EMULATED aclError aclrtMemcpyAsync(void* to, size_t, const void* from, size_t size, aclrtMemcpyKind, aclrtStream) {
  return copy(to, from, size);
}
EMULATED aclError aclrtMemcpyAsyncWithCondition(void* to, size_t, const void* from, size_t size, aclrtMemcpyKind,
                                                aclrtStream) {
  return copy(to, from, size);
}
EMULATED aclError aclrtMemset(void* data, size_t, int32_t value, size_t size) {
  std::memset(data, value, size);
  return ACL_SUCCESS;
}
EMULATED aclError aclrtMemsetAsync(void* data, size_t, int32_t value, size_t size, aclrtStream) {
  std::memset(data, value, size);
  return ACL_SUCCESS;
}

EMULATED aclError aclrtReserveMemAddress(void** address, size_t size, size_t, void*, uint64_t) {
  *address = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return *address == MAP_FAILED ? aclError(emulator::kOutOfMemory) : ACL_SUCCESS;
}
// The size of the reservation is not passed here; the address space goes back when the process ends.
EMULATED aclError aclrtReleaseMemAddress(void*) { return ACL_SUCCESS; }
EMULATED aclError aclrtMallocPhysical(aclrtDrvMemHandle* handle, size_t size, const aclrtPhysicalMemProp* properties,
                                      uint64_t) {
  const Range range{size, int(properties->location.id)};
  if (!memory().take(range)) return emulator::kOutOfMemory;
  const int file = memfd_create("mx_driving_emulator", 0);
  if (file < 0 || ftruncate(file, size) != 0) {
    if (file >= 0) close(file);
    memory().give_back(range);
    return emulator::kOutOfMemory;
  }
  *handle = reinterpret_cast<aclrtDrvMemHandle>(new PhysicalBlock{file, range.device, size});
  return ACL_SUCCESS;
}
EMULATED aclError aclrtFreePhysical(aclrtDrvMemHandle handle) {
  const std::unique_ptr<PhysicalBlock> block(reinterpret_cast<PhysicalBlock*>(handle));
  memory().give_back({block->size, block->device});
  close(block->file);
  return ACL_SUCCESS;
}
EMULATED aclError aclrtMapMem(void* address, size_t size, size_t offset, aclrtDrvMemHandle handle, uint64_t) {
  const auto* block = reinterpret_cast<PhysicalBlock*>(handle);
  void* mapped = mmap(address, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, block->file, offset);
  if (mapped == MAP_FAILED) return emulator::kOutOfMemory;
  memory().remember(address, {size, block->device});
  return ACL_SUCCESS;
}
EMULATED aclError aclrtUnmapMem(void* address) {
  memory().forget(address);
  return ACL_SUCCESS;
}
EMULATED aclError aclrtMemGetAllocationGranularity(aclrtPhysicalMemProp*, aclrtMemGranularityOptions, size_t* size) {
  *size = kGranularity;
  return ACL_SUCCESS;
}
