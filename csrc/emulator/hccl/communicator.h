// Processes of one host that exchange buffers through shared memory.
#pragma once

#include <sys/types.h>

#include "emulator/prelude.h"

namespace emulator {

/// One rank's end of a group of processes. Every method is collective or paired, as in HCCL, and throws a c10::Error
/// when a peer has died or did not arrive in time.
class Communicator {
 public:
  /// Meets the other ranks under this name; returns when all of them are there.
  Communicator(std::string name, int size, int rank);
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  const std::string& name() const { return name_; }
  int size() const { return size_; }
  int rank() const { return rank_; }

  void barrier();
  /// Publish bytes for every rank; between two barriers they may be read.
  void publish(const void* data, size_t bytes);
  void read(int from_rank, void* data, size_t bytes, size_t offset = 0) const;
  void send(int to_rank, const void* data, size_t bytes);
  void receive(int from_rank, void* data, size_t bytes);

 private:
  struct Control;  // shared by all ranks

  void wait(const char* what, const std::function<bool()>& arrived) const;
  std::string shared_name(const std::string& suffix) const;
  int open_shared(const std::string& suffix) const;
  void unlink_names() const;
  int mailbox(int from_rank, int to_rank) const { return mailboxes_[from_rank * size_ + to_rank]; }

  const std::string name_;
  const int size_, rank_;
  Control* control_ = nullptr;
  std::vector<int> boards_;     // file of each rank's published bytes
  std::vector<int> mailboxes_;  // file of each ordered pair of ranks
};

}  // namespace emulator
