// HCCL's interface over Communicator. Reductions add in the order of the ranks, so every rank gets the same bits.
#include <hccl/hccl.h>
#include <unistd.h>

#include <random>

#include "emulator/handles.h"
#include "emulator/hccl/communicator.h"
#include "emulator/runtime/state.h"

namespace {

using emulator::Communicator;

Communicator& group(HcclComm comm) { return *static_cast<Communicator*>(comm); }

int acl_dtype(HcclDataType dtype) {
  static const std::map<int, int> table{
      {HCCL_DATA_TYPE_INT8, 2},   {HCCL_DATA_TYPE_INT16, 6},  {HCCL_DATA_TYPE_INT32, 3},  {HCCL_DATA_TYPE_FP16, 1},
      {HCCL_DATA_TYPE_FP32, 0},   {HCCL_DATA_TYPE_INT64, 9},  {HCCL_DATA_TYPE_UINT64, 10}, {HCCL_DATA_TYPE_UINT8, 4},
      {HCCL_DATA_TYPE_UINT16, 7}, {HCCL_DATA_TYPE_UINT32, 8}, {HCCL_DATA_TYPE_FP64, 11},  {HCCL_DATA_TYPE_BFP16, 27}};
  const auto found = table.find(dtype);
  TORCH_CHECK(found != table.end(), "HcclDataType ", int(dtype), " is not one of the standard ones");
  return found->second;
}
size_t bytes_of(uint64_t count, HcclDataType dtype) { return count * emulator::item_size(acl_dtype(dtype)); }
at::Tensor flat(void* data, uint64_t count, HcclDataType dtype) {
  return emulator::view(data, 0, {int64_t(count)}, {1}, acl_dtype(dtype));
}

at::Tensor reduce(const at::Tensor& a, const at::Tensor& b, HcclReduceOp op) {
  if (op == HCCL_REDUCE_SUM) return a + b;
  if (op == HCCL_REDUCE_PROD) return a * b;
  return op == HCCL_REDUCE_MAX ? at::maximum(a, b) : at::minimum(a, b);
}

at::Tensor reduce_all(void* send, uint64_t count, HcclDataType dtype, HcclReduceOp op, Communicator& comm) {
  const auto bytes = bytes_of(count, dtype);
  comm.publish(send, bytes);
  comm.barrier();
  std::vector<char> buffer(bytes + 1);
  at::Tensor total;
  for (int rank = 0; rank < comm.size(); ++rank) {
    comm.read(rank, buffer.data(), bytes);
    const auto part = flat(buffer.data(), count, dtype);
    total = rank ? reduce(total, part, op) : part.clone();
  }
  comm.barrier();
  return total;
}

HcclResult collective(const char* name, const std::function<void()>& body) {
  emulator::count("hccl", name);
  for (const auto phase : {emulator::Phase::Plan, emulator::Phase::Execute})
    if (const auto code = emulator::injected_failure(name, phase)) return HcclResult(emulator::fail_device(*code));
  return emulator::fail_device(emulator::guarded(name, body)) ? HCCL_E_INTERNAL : HCCL_SUCCESS;
}

HcclResult connect(const std::string& name, uint32_t size, uint32_t rank, HcclComm* comm) {
  return emulator::guarded("HcclCommInit", [&] { *comm = new Communicator(name, int(size), int(rank)); })
             ? HCCL_E_INTERNAL
             : HCCL_SUCCESS;
}

}  // namespace

EMULATED HcclResult HcclGetRootInfo(HcclRootInfo* root) {
  std::random_device random;
  std::memset(root->internal, 0, HCCL_ROOT_INFO_BYTES);
  std::snprintf(root->internal, 64, "%d_%08x%08x", int(getpid()), random(), random());
  return HCCL_SUCCESS;
}
EMULATED HcclResult HcclCommInitRootInfo(uint32_t size, const HcclRootInfo* root, uint32_t rank, HcclComm* comm) {
  return connect(root->internal, size, rank, comm);
}
EMULATED HcclResult HcclCommInitRootInfoConfig(uint32_t size, const HcclRootInfo* root, uint32_t rank,
                                               const HcclCommConfig*, HcclComm* comm) {
  return connect(root->internal, size, rank, comm);
}
EMULATED HcclResult HcclCreateSubCommConfig(HcclComm* parent, uint32_t size, uint32_t* ranks, uint64_t id,
                                            uint32_t rank, HcclCommConfig*, HcclComm* comm) {
  const auto name = group(*parent).name() + "s" + std::to_string(id) + "r" + std::to_string(ranks[0]);
  return connect(name, size, rank, comm);
}
EMULATED HcclResult HcclCommDestroy(HcclComm comm) {
  delete &group(comm);
  return HCCL_SUCCESS;
}
EMULATED HcclResult HcclGetCommName(HcclComm comm, char* name) {
  std::snprintf(name, 128, "%s", group(comm).name().c_str());
  return HCCL_SUCCESS;
}
EMULATED HcclResult HcclGetCommAsyncError(HcclComm, HcclResult* error) {
  *error = HCCL_SUCCESS;
  return HCCL_SUCCESS;
}
EMULATED const char* HcclGetErrorString(HcclResult) { return "see the error of the mx_driving emulator"; }
EMULATED uint32_t HcclGetCommConfigCapability() { return 0; }
EMULATED HcclResult HcclSetConfig(HcclConfig, HcclConfigValue) { return HCCL_SUCCESS; }
EMULATED HcclResult HcclGroupStart() { return HCCL_SUCCESS; }
EMULATED HcclResult HcclGroupEnd() { return HCCL_SUCCESS; }

EMULATED HcclResult HcclBarrier(HcclComm comm, aclrtStream) {
  return collective("HcclBarrier", [&] { group(comm).barrier(); });
}
EMULATED HcclResult HcclAllReduce(void* send, void* receive, uint64_t count, HcclDataType dtype, HcclReduceOp op,
                                  HcclComm comm, aclrtStream) {
  return collective("HcclAllReduce", [&] {
    flat(receive, count, dtype).copy_(reduce_all(send, count, dtype, op, group(comm)));
  });
}
EMULATED HcclResult HcclReduce(void* send, void* receive, uint64_t count, HcclDataType dtype, HcclReduceOp op,
                               uint32_t root, HcclComm comm, aclrtStream) {
  return collective("HcclReduce", [&] {
    const auto total = reduce_all(send, count, dtype, op, group(comm));
    if (group(comm).rank() == int(root)) flat(receive, count, dtype).copy_(total);
  });
}
EMULATED HcclResult HcclReduceScatter(void* send, void* receive, uint64_t count, HcclDataType dtype, HcclReduceOp op,
                                      HcclComm comm, aclrtStream) {
  return collective("HcclReduceScatter", [&] {
    auto& self = group(comm);
    const auto total = reduce_all(send, count * self.size(), dtype, op, self);
    flat(receive, count, dtype).copy_(total.slice(0, self.rank() * count, (self.rank() + 1) * count));
  });
}
EMULATED HcclResult HcclBroadcast(void* data, uint64_t count, HcclDataType dtype, uint32_t root, HcclComm comm,
                                  aclrtStream) {
  return collective("HcclBroadcast", [&] {
    auto& self = group(comm);
    if (self.rank() == int(root)) self.publish(data, bytes_of(count, dtype));
    self.barrier();
    if (self.rank() != int(root)) self.read(root, data, bytes_of(count, dtype));
    self.barrier();
  });
}
EMULATED HcclResult HcclAllGather(void* send, void* receive, uint64_t count, HcclDataType dtype, HcclComm comm,
                                  aclrtStream) {
  return collective("HcclAllGather", [&] {
    auto& self = group(comm);
    const auto bytes = bytes_of(count, dtype);
    self.publish(send, bytes);
    self.barrier();
    for (int rank = 0; rank < self.size(); ++rank) self.read(rank, static_cast<char*>(receive) + rank * bytes, bytes);
    self.barrier();
  });
}
EMULATED HcclResult HcclScatter(void* send, void* receive, uint64_t count, HcclDataType dtype, uint32_t root,
                                HcclComm comm, aclrtStream) {
  return collective("HcclScatter", [&] {
    auto& self = group(comm);
    const auto bytes = bytes_of(count, dtype);
    if (self.rank() == int(root)) self.publish(send, bytes * self.size());
    self.barrier();
    self.read(root, receive, bytes, bytes * self.rank());
    self.barrier();
  });
}
EMULATED HcclResult HcclSend(void* data, uint64_t count, HcclDataType dtype, uint32_t to, HcclComm comm, aclrtStream) {
  return collective("HcclSend", [&] { group(comm).send(to, data, bytes_of(count, dtype)); });
}
EMULATED HcclResult HcclRecv(void* data, uint64_t count, HcclDataType dtype, uint32_t from, HcclComm comm,
                             aclrtStream) {
  return collective("HcclRecv", [&] { group(comm).receive(from, data, bytes_of(count, dtype)); });
}
