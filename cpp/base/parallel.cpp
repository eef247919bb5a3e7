#include "base/parallel.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace nablas {
namespace {

// Spins before yielding: about 20 us, longer than any phase of a small step.
constexpr int spins_before_yield = 2000;

std::atomic<bool> in_forked_child{false};
std::atomic<int> requested_threads{0};
std::atomic<int> openmp_limit_at_request{0};
thread_local int own_threads = 0;

// libgomp's worker threads do not survive fork and a region opened in the child waits for them forever,
// so the child runs serially.
const bool fork_handler_installed = [] {
#if defined(__unix__) || defined(__APPLE__)
  pthread_atfork(nullptr, nullptr, [] { in_forked_child.store(true); });
#endif
  return true;
}();

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

// Processors granted by the cgroup's CPU quota (version 2, then 1), rounded up; `unlimited` without a quota.
int read_cgroup_quota() {
  constexpr int unlimited = 1 << 20;
  double quota = -1, period = 0;
  std::string first;
  if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file >> first >> period) {
    if (first != "max") quota = std::atof(first.c_str());
  } else {
    std::ifstream quota_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
        period_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (!(quota_file >> quota && period_file >> period)) return unlimited;
  }
  if (quota <= 0 || period <= 0) return unlimited;
  return std::max(1, static_cast<int>((quota + period - 1) / period));
}

// Processors this process may use: affinity and cgroup quota.
int allowed_processors() {
  static const int quota = read_cgroup_quota();
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, std::min(CPU_COUNT(&set), quota));
#endif
  return std::max(1, std::min(static_cast<int>(std::thread::hardware_concurrency()), quota));
}

std::atomic<int> most_threads{std::numeric_limits<int>::max()};  // that could be started
std::atomic<bool> shortage{false};

// At most `threads`, as many as can be started now. libgomp ends the process where a thread cannot be created, so
// before the calling thread's team grows, as many threads are started and ended.
int startable(int threads) noexcept {
  static thread_local int started = 1;  // libgomp keeps a team for each thread that opens regions
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
    shortage.store(true);
    threads = most_threads.load();
  }
  end.store(true);
  for (std::thread& thread : made) thread.join();
  return started = threads;
}

int openmp_limit() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

}  // namespace

void Barrier::wait(int team_size) {
  const int round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == team_size - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  for (int spin = 0; round_.load(std::memory_order_acquire) == round; ++spin) {
    if (spin < spins_before_yield)
      relax();
    else
      std::this_thread::yield();
  }
}

int num_threads() {
#ifdef _OPENMP
  if (in_forked_child.load(std::memory_order_relaxed) || omp_in_parallel()) return 1;
#else
  return 1;
#endif
  static const int most = 2 * allowed_processors();
  if (own_threads > 0) return std::min(own_threads, most);
  const int limit = openmp_limit();
  if (const int requested = requested_threads.load(); requested > 0)
    return std::min(most, limit < openmp_limit_at_request.load() ? std::min(limit, requested) : requested);
  static const bool set_by_environment = std::getenv("OMP_NUM_THREADS") != nullptr;
  return std::max(1, std::min(limit, set_by_environment ? most : allowed_processors()));
}

bool take_shortage() { return shortage.exchange(false); }

void set_num_threads(int count) {
  openmp_limit_at_request.store(openmp_limit());
  requested_threads.store(count);
}

int set_own_threads(int count) { return std::exchange(own_threads, count); }

int threads_for(double operations, double operations_per_thread) {
  if (operations < 2 * operations_per_thread) return 1;
  const double useful = operations / operations_per_thread;
  const int available = num_threads();
  return useful < available ? static_cast<int>(useful) : available;
}

void run_team([[maybe_unused]] int threads, void (*body)(void*, const Team&), void* context) noexcept {
  Barrier barrier;
#ifdef _OPENMP
  if (threads > 1 && (threads = startable(threads)) > 1) {
#pragma omp parallel num_threads(threads)
    {
      const Team team(omp_get_thread_num(), omp_get_num_threads(), &barrier);
      body(context, team);
    }
    return;
  }
#endif
  body(context, Team(0, 1, &barrier));
}

}  // namespace nablas
