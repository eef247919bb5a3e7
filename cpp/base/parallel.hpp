// The one place that opens parallel regions, and the number of threads they get.
//
// A region runs one body on every thread of a team (single program, multiple data). The body derives its
// share of the work from its rank and synchronizes at `barrier`. Shares decide only which thread
// computes an output, never how it is computed, so the results do not depend on the team's size.
#pragma once

#include <atomic>
#include <string>
#include <type_traits>

#include "base/types.hpp"

namespace nablas {

// Counting barrier, reusable by its round number. It spins `spins_before_yield` times and then yields, so that a
// team with more threads than processors still makes progress.
class Barrier {
 public:
  void wait(int team_size);

 private:
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<int> round_{0};
};

class Team {
 public:
  Team(int rank, int size, Barrier* barrier) : rank(rank), size(size), barrier_(barrier) {}
  void barrier() const {
    if (size > 1) barrier_->wait(size);
  }
  // This thread's contiguous part of [0, n); every cut is at a multiple of `grain`.
  Range share(int64 n, int64 grain = 1) const {
    const int64 grains = (n + grain - 1) / grain;
    const int64 begin = grains * rank / size * grain, end = grains * (rank + 1) / size * grain;
    return {begin < n ? begin : n, end < n ? end : n};
  }
  const int rank, size;

 private:
  Barrier* barrier_;
};

// Threads a region may use now: the count of `set_num_threads`, capped by OpenMP's limit if that has fallen since
// the call (threadpoolctl). Without such a call, OpenMP's limit if OMP_NUM_THREADS is set, else the processors this
// process may use (affinity and cgroup quota). Never more than twice these. 1 in a forked child and inside another
// region. Throws std::runtime_error if NABLAS_TEAM names no backend.
int num_threads();
void set_num_threads(int count);
// Whether, since the last call, a team got fewer threads than it should have because no more could be started.
bool take_shortage();
// Threads for regions opened by the calling thread; overrides set_num_threads. 0: no override. Returns the old value.
int set_own_threads(int count);

// What the teams are made of: "openmp", or "threads" (std::thread). NABLAS_TEAM names one; else OpenMP where this build
// has it. The results do not depend on it.
const char* team_backend();
void use_team_backend(const std::string& name);
#ifdef _OPENMP
constexpr bool has_openmp = true;
#else
constexpr bool has_openmp = false;
#endif

// Least multiply-adds (or similar) per thread: for a thread's wake-up, of up to 10 us, and for two barriers in a
// region that is already open.
constexpr double operations_per_wake_up = 1.5e6, operations_per_meeting = 2e5;

// At most num_threads(), and at most operations / operations_per_thread; at least 1.
int threads_for(double operations, double operations_per_thread = operations_per_wake_up);

void run_team(int threads, void (*body)(void*, const Team&), void* context) noexcept;

// body(const Team&) on each of `threads` threads; it must not throw.
template <class Body>
void parallel(int threads, Body&& body) {
  using Function = std::remove_reference_t<Body>;
  run_team(
      threads, [](void* context, const Team& team) { (*static_cast<Function*>(context))(team); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace nablas
