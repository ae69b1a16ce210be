#include "emulator/runtime/state.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace emulator {
namespace {

std::mutex error_mutex;
std::string error_message = "no error";
std::atomic<int> sticky_status{0};

// Totals are written when the process ends: forked DataLoader workers leave by _exit and so write nothing twice.
class Counter {
 public:
  ~Counter() {
    if (file_.empty() || owner_ != getpid()) return;
    std::ofstream out(file_, std::ios::app);
    for (const auto& [name, calls] : calls_) out << name << ' ' << calls << '\n';
  }
  void add(const char* route, const char* name) {
    if (file_.empty()) return;
    std::lock_guard<std::mutex> lock(mutex_);
    ++calls_[std::string(route) + ' ' + name];
  }

 private:
  const std::string file_ = setting("COUNT", "");
  const pid_t owner_ = getpid();
  std::mutex mutex_;
  std::map<std::string, int64_t> calls_;
};

struct Fault {
  int code;
  Phase phase;
};

// "aclnnAdd=161002 aclnnMm@run": the launcher has checked the spelling.
std::map<std::string, Fault> parse_faults(const std::string& text) {
  std::map<std::string, Fault> faults;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto at_run = word.rfind("@run");
    const auto phase = at_run == std::string::npos ? Phase::Plan : Phase::Execute;
    word = word.substr(0, at_run);
    const auto equals = word.find('=');
    const int code = phase == Phase::Plan ? kBadParameter : kExecutionFailed;
    faults[word.substr(0, equals)] = {equals == std::string::npos ? code : std::stoi(word.substr(equals + 1)), phase};
  }
  return faults;
}

}  // namespace

std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv((std::string("MX_DRIVING_EMULATOR_") + name).c_str());
  return value && *value ? value : otherwise;
}

void set_error(const std::string& message) {
  std::lock_guard<std::mutex> lock(error_mutex);
  error_message = message;
}

void count(const char* route, const char* name) {
  static Counter counter;
  counter.add(route, name);
}

std::optional<int> injected_failure(const char* name, Phase phase) {
  static const auto faults = parse_faults(setting("FAIL", ""));
  const auto found = faults.find(name);
  if (found == faults.end() || found->second.phase != phase) return std::nullopt;
  set_error(std::string("mx_driving emulator: ") + name + " fails with " + std::to_string(found->second.code) +
            " because --fail asked for it");
  return found->second.code;
}

int guarded(const char* name, const std::function<void()>& body) {
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  c10::impl::ExcludeDispatchKeyGuard below_python(
      c10::autocast_dispatch_keyset |
      c10::DispatchKeySet({c10::DispatchKey::Python, c10::DispatchKey::PythonTLSSnapshot}));
  at::DisableRecordFunctionGuard unrecorded;
  try {
    body();
    return 0;
  } catch (const c10::Error& error) {
    set_error(std::string("mx_driving emulator: ") + name + ": " + error.what_without_backtrace());
  } catch (const std::exception& error) {
    set_error(std::string("mx_driving emulator: ") + name + ": " + error.what());
  }
  return kExecutionFailed;
}

int device_status() { return sticky_status.load(); }

int fail_device(int code) {
  int healthy = 0;
  if (code) sticky_status.compare_exchange_strong(healthy, code);
  return code;
}

}  // namespace emulator

EMULATED const char* aclGetRecentErrMsg() {
  static thread_local std::string copy;
  std::lock_guard<std::mutex> lock(emulator::error_mutex);
  copy = emulator::error_message;
  return copy.c_str();
}
