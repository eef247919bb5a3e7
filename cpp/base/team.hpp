// Backends of base/parallel: who runs the body of a region. They differ only in how threads are started, woken and
// joined; a new one is an entry here and a line in find_backend (parallel.cpp).
#pragma once

#include <atomic>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/parallel.hpp"

namespace nablas {

struct TeamBackend {
  const char* name;
  // body on a team of `threads` (at least 2), or of fewer if no more can be started; returns when all have ended.
  void (*run)(int threads, void (*body)(void*, const Team&), void* context, Barrier* barrier);
  // Whether the calling thread is within a region.
  bool (*in_team)();
};

#ifdef _OPENMP
extern const TeamBackend openmp_team;
#endif
extern const TeamBackend thread_team;

bool in_forked_process();
// A team got fewer threads than it asked for; see take_shortage.
void report_shortage();

// Waits for done() in a loop of about 20 us, longer than any phase of a small step; returns whether it came true.
template <class Done>
bool spin(Done done) {
  constexpr int most = 2000;
  for (int i = 0; i < most; ++i) {
    if (done()) return true;
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
  }
  return done();
}
// Spins, then yields the processor, until value == until.
void spin_wait(const std::atomic<int>& value, int until);

}  // namespace nablas
