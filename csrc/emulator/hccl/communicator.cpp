#include "emulator/hccl/communicator.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "emulator/runtime/state.h"

namespace emulator {
namespace {

constexpr int kMaxRanks = 16;
constexpr int kSpins = 200;  // polls before the wait starts to sleep
constexpr auto kNap = std::chrono::microseconds(100);
constexpr auto kControl = "control";

std::string board_name(int rank) { return "board" + std::to_string(rank); }
std::string mailbox_name(int from, int to) { return "mail" + std::to_string(from) + "to" + std::to_string(to); }

void write_all(int file, const void* data, size_t bytes) {
  TORCH_CHECK(ftruncate(file, bytes) == 0, "shared memory is full: /dev/shm holds the exchanged buffers");
  for (size_t done = 0; done < bytes;) {
    const auto step = pwrite(file, static_cast<const char*>(data) + done, bytes - done, done);
    TORCH_CHECK(step > 0, "writing ", bytes, " bytes of shared memory failed: ", std::strerror(errno));
    done += step;
  }
}

void read_all(int file, void* data, size_t bytes, size_t offset) {
  for (size_t done = 0; done < bytes;) {
    const auto step = pread(file, static_cast<char*>(data) + done, bytes - done, offset + done);
    TORCH_CHECK(step > 0, "a peer published fewer than ", bytes, " bytes: do all ranks pass the same size?");
    done += step;
  }
}

}  // namespace

struct Communicator::Control {
  std::atomic<int> joined, waiting, generation;
  std::atomic<pid_t> process[kMaxRanks];
  std::atomic<int> full[kMaxRanks][kMaxRanks];  // a message lies in the mailbox of (from, to)
};

Communicator::Communicator(std::string name, int size, int rank) : name_(std::move(name)), size_(size), rank_(rank) {
  TORCH_CHECK(size <= kMaxRanks, "the emulated HCCL joins at most ", kMaxRanks, " processes, not ", size);
  const int file = open_shared(kControl);
  TORCH_CHECK(ftruncate(file, sizeof(Control)) == 0, "no shared memory for HCCL: ", std::strerror(errno));
  control_ = static_cast<Control*>(mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  close(file);
  for (int from = 0; from < size; ++from) {
    boards_.push_back(open_shared(board_name(from)));
    for (int to = 0; to < size; ++to) mailboxes_.push_back(open_shared(mailbox_name(from, to)));
  }
  control_->process[rank] = getpid();
  ++control_->joined;
  wait("joining the group", [&] { return control_->joined >= size_; });
  barrier();
  // Everybody holds the files open now: without names they vanish with the last process, however it ends.
  if (rank_ == 0) unlink_names();
}

Communicator::~Communicator() {
  munmap(control_, sizeof(Control));
  for (const int file : boards_) close(file);
  for (const int file : mailboxes_) close(file);
}

std::string Communicator::shared_name(const std::string& suffix) const { return "/mx_driving_" + name_ + "_" + suffix; }

void Communicator::unlink_names() const {
  shm_unlink(shared_name(kControl).c_str());
  for (int from = 0; from < size_; ++from) {
    shm_unlink(shared_name(board_name(from)).c_str());
    for (int to = 0; to < size_; ++to) shm_unlink(shared_name(mailbox_name(from, to)).c_str());
  }
}

int Communicator::open_shared(const std::string& suffix) const {
  const int file = shm_open(shared_name(suffix).c_str(), O_RDWR | O_CREAT, 0600);
  TORCH_CHECK(file >= 0, "no shared memory for HCCL: ", std::strerror(errno));
  return file;
}

void Communicator::wait(const char* what, const std::function<bool()>& arrived) const {
  static const auto limit = std::chrono::seconds(std::stoi(setting("HCCL_TIMEOUT", "600")));
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (int polls = 0; !arrived(); ++polls) {
    if (polls < kSpins) {
      std::this_thread::yield();
      continue;
    }
    std::this_thread::sleep_for(kNap);
    for (int peer = 0; peer < size_; ++peer) {
      const pid_t process = control_->process[peer];
      TORCH_CHECK(!process || kill(process, 0) == 0 || arrived(), "rank ", peer, " ended while rank ", rank_, " was ", what);
    }
    TORCH_CHECK(std::chrono::steady_clock::now() < deadline, "rank ", rank_, " waited ", limit.count(), " s while ", what);
  }
}

void Communicator::barrier() {
  const int generation = control_->generation;
  if (control_->waiting.fetch_add(1) + 1 == size_) {
    control_->waiting = 0;
    ++control_->generation;
  } else {
    wait("at a barrier", [&] { return control_->generation != generation; });
  }
}

void Communicator::publish(const void* data, size_t bytes) { write_all(boards_[rank_], data, bytes); }

void Communicator::read(int from_rank, void* data, size_t bytes, size_t offset) const {
  read_all(boards_[from_rank], data, bytes, offset);
}

void Communicator::send(int to_rank, const void* data, size_t bytes) {
  auto& full = control_->full[rank_][to_rank];
  wait("sending", [&] { return full == 0; });
  write_all(mailbox(rank_, to_rank), data, bytes);
  full = 1;
}

void Communicator::receive(int from_rank, void* data, size_t bytes) {
  auto& full = control_->full[from_rank][rank_];
  wait("receiving", [&] { return full == 1; });
  read_all(mailbox(from_rank, rank_), data, bytes, 0);
  full = 0;
}

}  // namespace emulator
