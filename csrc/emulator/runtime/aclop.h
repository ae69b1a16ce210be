// The older operator route, by name: ACLOP("Transpose", c.out(0, c.in(0).permute(c.ints(1))))
#pragma once

#include "emulator/runtime/state.h"

namespace emulator {

struct AclopCall {
  std::string type;
  std::vector<at::Tensor> inputs, outputs;
  std::map<std::string, at::IValue> attributes;

  at::Tensor in(size_t i) const { return i < inputs.size() ? inputs[i] : at::Tensor(); }
  bool wants(size_t i) const { return i < outputs.size() && outputs[i].defined(); }
  void out(size_t i, const at::Tensor& result) const;
  /// The values of a small integer input, such as a permutation.
  std::vector<int64_t> in_ints(size_t i) const;
  std::vector<int64_t> ints(const char* attribute) const;
  int64_t integer(const char* attribute) const;
  std::string string(const char* attribute, const char* otherwise) const;
  /// "DeformableOffsets(float32[1, 4, 4, 8], ...) strides=[1, 1, 1, 1]", for the message of an unknown operator.
  std::string text() const;
};

struct AclopEntry {
  AclopEntry(const char* type, std::function<void(const AclopCall&)> body);
};

}  // namespace emulator

#define ACLOP_PASTE(a, b) a##b
#define ACLOP_NAME(a, b) ACLOP_PASTE(a, b)
#define ACLOP(TYPE, ...)                                                                     \
  static const emulator::AclopEntry ACLOP_NAME(aclop_entry_, __COUNTER__)(                   \
      TYPE, []([[maybe_unused]] const emulator::AclopCall& c) { __VA_ARGS__; });
