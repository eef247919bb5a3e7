// How a thread rounds, and whether it takes denormal numbers as 0: results of a thread's helpers are those of the
// thread.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif
#include <cstdint>

namespace nablas {

// How a thread rounds, and whether it takes denormal numbers as 0.
using FloatMode = std::uint64_t;

#if defined(__x86_64__) || defined(_M_X64)
inline FloatMode float_mode() {
  constexpr unsigned flags = 0x3f;  // of exceptions so far
  return _mm_getcsr() & ~flags;
}
inline void set_float_mode(FloatMode mode) {
  if (mode != float_mode()) _mm_setcsr(static_cast<unsigned>(mode));
}
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
inline FloatMode float_mode() {
  std::uint64_t mode;
  __asm__ __volatile__("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
inline void set_float_mode(FloatMode mode) {
  if (mode != float_mode()) __asm__ __volatile__("msr fpcr, %0" ::"r"(mode));
}
#else
inline FloatMode float_mode() { return 0; }
inline void set_float_mode(FloatMode) {}
#endif

// A moment within a loop that waits for another thread.
inline void spin_pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
  __asm__ __volatile__("yield");
#endif
}

}  // namespace nablas
