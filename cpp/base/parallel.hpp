// The one place that opens OpenMP regions, and the number of threads they get.
//
// A region runs one body on every thread of a team (single program, multiple data). The body takes its
// share of each piece of work from its rank and meets the others at `barrier`. Shares decide only who
// computes an output, never how it is computed, so the results do not depend on the team's size.
#pragma once

#include <atomic>
#include <type_traits>

#include "base/types.hpp"

namespace nablas {

// Sense-counting barrier: it spins for a short while and then yields, so that a team larger than the
// machine still makes progress.
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

// Threads a region may use now. `set_num_threads` is honoured until OpenMP's own limit falls below what
// it was at that call (threadpoolctl); otherwise OMP_NUM_THREADS, or the processors this process may
// use: affinity and the cgroup's quota. One in a forked child and inside another region.
int num_threads();
void set_num_threads(int count);
// Of the calling thread's regions alone, before all else; 0 for none of its own. Returns what was set before.
int set_own_threads(int count);

// Multiply-adds (or similar) that one more thread must bring along to repay its wake-up, of up to 10 us, and to repay
// two barriers in a region that is open already.
constexpr double operations_per_wake_up = 1.5e6, operations_per_meeting = 2e5;

// num_threads(), less where `operations` do not repay so many threads.
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
