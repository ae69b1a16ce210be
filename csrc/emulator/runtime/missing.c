// One trampoline for every aclnn name that libtorch_npu.so knows and no file in operators/ defines; the list is made
// by mx_driving/emulator/builder.py. By the C calling conventions of x86-64 and AArch64 this signature reads all
// argument registers and then the words on the stack, whatever the true signature is.
#include <stdint.h>

int emulator_missing_operator(const char* name, const uint64_t* words, int count, const double* floats);

#if defined(__x86_64__)
#define INTEGER_REGISTERS uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f
#define INTEGER_WORDS a, b, c, d, e, f
#elif defined(__aarch64__)
#define INTEGER_REGISTERS \
  uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h
#define INTEGER_WORDS a, b, c, d, e, f, g, h
#else
#error "the emulator knows the calling conventions of x86-64 and AArch64 only"
#endif
#define FLOAT_REGISTERS double x0, double x1, double x2, double x3, double x4, double x5, double x6, double x7
#define STACK_WORDS                                                                                             \
  uint64_t s0, uint64_t s1, uint64_t s2, uint64_t s3, uint64_t s4, uint64_t s5, uint64_t s6, uint64_t s7,       \
      uint64_t s8, uint64_t s9, uint64_t s10, uint64_t s11

#define MISSING(NAME)                                                                                           \
  __attribute__((visibility("default"))) int NAME(INTEGER_REGISTERS, FLOAT_REGISTERS, STACK_WORDS) {            \
    const uint64_t words[] = {INTEGER_WORDS, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11};                 \
    const double floats[] = {x0, x1, x2, x3, x4, x5, x6, x7};                                                   \
    return emulator_missing_operator(#NAME, words, sizeof(words) / sizeof(words[0]), floats);                   \
  }

#include "missing_operators.inc"
