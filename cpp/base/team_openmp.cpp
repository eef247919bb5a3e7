// Teams of OpenMP threads. libgomp keeps one for each thread that opens regions.
#ifdef _OPENMP
#include <omp.h>

#include <algorithm>
#include <limits>
#include <thread>
#include <vector>

#include "base/team.hpp"

namespace nablas {
namespace {

std::atomic<int> most_threads{std::numeric_limits<int>::max()};  // that could be started

// At most `threads`, as many as can be started now. libgomp ends the process where a thread cannot be created, so
// before the calling thread's team grows, as many threads are started and ended.
int startable(int threads) noexcept {
  static thread_local int started = 1;
  threads = std::min(threads, most_threads.load());
  if (threads <= started) return threads;
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
    most_threads.store(std::max<int>(1, static_cast<int>(made.size())));
    report_shortage();
    threads = most_threads.load();
  }
  end.store(true);
  for (std::thread& thread : made) thread.join();
  return started = threads;
}

void run(int threads, void (*body)(void*, const Team&), void* context, Barrier* barrier) {
  threads = startable(threads);
#pragma omp parallel num_threads(threads)
  {
    const Team team(omp_get_thread_num(), omp_get_num_threads(), barrier);
    body(context, team);
  }
}

}  // namespace

const TeamBackend openmp_team{"openmp", run, [] { return omp_in_parallel() != 0; }};

}  // namespace nablas
#endif
