// Runs one loop body on the widest vector unit this processor has, while the library itself stays portable.
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__)
#define MX_DRIVING_AVX2 __attribute__((target("avx2,fma"), flatten, noinline))
#endif

// A body must be inlined into its caller: a function of its own is compiled for the baseline processor.
#if defined(__GNUC__)
#define MX_DRIVING_INLINE __attribute__((always_inline)) inline
#else
#define MX_DRIVING_INLINE inline
#endif

namespace mx_driving {

#ifdef MX_DRIVING_AVX2
template <typename Body>
MX_DRIVING_AVX2 void run_avx2(const Body& body, int64_t begin, int64_t end) {
  body(begin, end);
}

inline bool has_avx2() {
  static const bool found = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return found;
}
#endif

template <typename Body>
void run_vectorised(const Body& body, int64_t begin, int64_t end) {
#ifdef MX_DRIVING_AVX2
  if (has_avx2()) {
    run_avx2(body, begin, end);
    return;
  }
#endif
  body(begin, end);
}

// parallel_for over a body whose operator()(begin, end) is MX_DRIVING_INLINE.
template <typename Body>
void parallel_vectorised(int64_t count, int64_t grain, const Body& body) {
  at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) { run_vectorised(body, begin, end); });
}

} // namespace mx_driving
