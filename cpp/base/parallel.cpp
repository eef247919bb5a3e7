#include "base/parallel.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
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
  if (own_threads > 0) return own_threads;
  const int limit = openmp_limit();
  if (const int requested = requested_threads.load(); requested > 0)
    return limit < openmp_limit_at_request.load() ? std::min(limit, requested) : requested;
  static const bool set_by_environment = std::getenv("OMP_NUM_THREADS") != nullptr;
  static const int quota = read_cgroup_quota();
  return std::max(1, set_by_environment ? limit : std::min(limit, quota));
}

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
  if (threads > 1) {
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
