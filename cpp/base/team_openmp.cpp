// Teams of OpenMP threads. libgomp keeps one for each thread that opens regions. A region ends when all of its threads
// have begun and ended, also those that found no part.
#ifdef _OPENMP
#include <omp.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "base/claims.hpp"
#include "base/signals.hpp"
#include "base/team.hpp"

namespace nablas {
namespace {

std::atomic<int> most_started{std::numeric_limits<int>::max()};  // that could be started

// At most `threads`, as many as can be started now, for the calling thread's next region. libgomp ends the process
// where a thread cannot be created, so before the team grows, as many threads are started and ended. A smaller region
// ends the threads that it does not need.
int startable(int threads) noexcept {
  static thread_local int started = 1;  // by the last region
  threads = std::min(threads, most_started.load());
  if (threads == 1) return 1;  // no region
  if (threads <= started) return started = threads;
  std::atomic<bool> end{false};
  std::vector<std::thread> made;
  try {
    made.reserve(threads - 1);
    for (int i = 1; i < threads; ++i)
      made.emplace_back([&end] {
        while (!end.load()) std::this_thread::yield();
      });
  } catch (...) {  // std::system_error or std::bad_alloc
    // libgomp needs a little memory besides its threads: one fewer than there could be
    most_started.store(std::max<int>(1, static_cast<int>(made.size())));
    report_shortage();
    threads = most_started.load();
  }
  end.store(true);
  for (std::thread& thread : made) thread.join();
  const SignalsBlocked blocked;
#pragma omp parallel num_threads(threads)
  std::atomic_signal_fence(std::memory_order_seq_cst);  // an empty region might be left out
  return started = threads;
}

Effort run_openmp(int threads, int parts_each, Phases& phases) {
  static thread_local const std::unique_ptr<Claims> claims = [] {
    try {
      return std::make_unique<Claims>(most_threads(), allowed_processors());
    } catch (const std::bad_alloc&) {
      report_shortage();
      return std::unique_ptr<Claims>();
    }
  }();
  threads = startable(threads);
  if (threads == 1 || !claims) return run_phases(1, 1, phases);
  Claims& shared = *claims;
  shared.begin(threads, parts_each, phases);
  Effort effort;
  double done = 0;
#pragma omp parallel num_threads(threads)
  {
    if (omp_get_thread_num() == 0) {
      effort = shared.lead();
      done = omp_get_wtime();
    } else {
      shared.join(omp_get_thread_num());
    }
  }
  effort.late = omp_get_wtime() - done;
  return effort;
}

}  // namespace

const TeamBackend openmp_team{"openmp", run_openmp, [] { return omp_in_parallel() != 0; }};

}  // namespace nablas
#endif
