// The one place that starts parallel work, and the number of threads it gets.
//
// Work is a list of phases, and a phase is a list of parts. Any thread of a team does any part, each part once; a phase
// begins when all parts of the one before are done. Parts decide only where an output is computed, never how, so the
// results depend neither on their number nor on the threads.
#pragma once

#include <string>
#include <type_traits>

#include "base/types.hpp"

namespace nablas {

// One part of a phase: its number `rank` of `size`, and the thread that does it, 0 (the leader) to threads - 1.
struct Team {
  int rank, size;
  int worker;
  // This part's contiguous share of [0, n); every cut is at a multiple of `grain`.
  Range share(int64 n, int64 grain = 1) const {
    const int64 grains = (n + grain - 1) / grain;
    const int64 begin = grains * rank / size * grain, end = grains * (rank + 1) / size * grain;
    return {begin < n ? begin : n, end < n ? end : n};
  }
};
constexpr Team alone{0, 1, 0};  // one part on one thread

class Phases {
 public:
  virtual void part(const Team&) noexcept = 0;  // of the present phase
  virtual bool advance() noexcept = 0;  // after all parts, on one thread: to the next phase; false: none is left

 protected:
  ~Phases() = default;
};

// What the calling thread did in a run of phases.
struct Effort {
  int64 parts = 0, own = 0;  // parts done by all threads, and by this one
  double asleep = 0;         // seconds, for want of a part
  double late = 0;           // seconds from the end of the last part to the return
};

// Processor time of the calling thread; where the system has no such clock, the time.
double thread_seconds();

// Which backend of the teams (NABLAS_TEAM): single calls of kernels, or networks.
enum class Use { call, network };

// Threads a run may use now: the count of `set_own_threads`; without it that of `set_num_threads`, capped by OpenMP's
// limit if that has fallen since the call (threadpoolctl). Without such a call, OpenMP's limit if OMP_NUM_THREADS is
// set, else the processors this process may use (affinity and cgroup quota). Never more than twice these processors. 1
// in a forked child and inside another run. Throws std::runtime_error if NABLAS_TEAM names no backend.
int num_threads();
const char* source_of_num_threads();  // what decided it, in words
void set_num_threads(int count);
// Whether, since the last call, a team got fewer threads than it should have because no more could be started.
bool take_shortage();
// Threads for runs begun by the calling thread; overrides set_num_threads. 0: no override.
void set_own_threads(int count);
int own_threads();

// Processors that this process may use (affinity and cgroup quota), and the threads that a team may have: twice as
// many.
int allowed_processors();
int most_threads();

// What the teams are made of: "openmp", or "threads" (std::thread). NABLAS_TEAM names one for all uses. Else networks
// use std::threads, whose leader waits for none that has no part, and single calls OpenMP where this build has it,
// whose threads begin sooner. The results do not depend on it.
const char* team_backend(Use);
void use_team_backend(const std::string& name);  // for all uses; "": as NABLAS_TEAM says
#ifdef _OPENMP
constexpr bool has_openmp = true;
#else
constexpr bool has_openmp = false;
#endif

// Least multiply-adds (or similar) per thread: where it sleeps after a short time and has to wake up; in a region of
// OpenMP, whose threads wait longer; and in the phases of a step in a run that is under way.
constexpr double operations_per_wake_up = 1.5e6, operations_per_region = 3e5, operations_per_phase = 2e5;

// At most num_threads(), and at most operations / operations_per_thread; at least 1.
int threads_for(double operations, double operations_per_thread);
// For a single call, by its backend.
int threads_for_call(double operations);

// On `threads` threads, or as many as can be started, with `parts_each` parts a thread in every phase.
Effort run_phases(int threads, int parts_each, Phases&) noexcept;
void run_team(int threads, int parts_each, Use, void (*body)(void*, const Team&), void* context) noexcept;

// One phase: body(const Team&) for each of threads * parts_each parts; it must not throw.
template <class Body>
void parallel(int threads, Body&& body, Use use = Use::call, int parts_each = 1) {
  using Function = std::remove_reference_t<Body>;
  run_team(
      threads, parts_each, use, [](void* context, const Team& team) { (*static_cast<Function*>(context))(team); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace nablas
