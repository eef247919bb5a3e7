#include "base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <sched.h>
#include <time.h>
#endif

#include "base/call_pace.hpp"
#include "base/claims.hpp"
#include "base/team.hpp"
#include "base/text.hpp"

namespace nablas {
namespace {

std::atomic<bool> in_forked_child{false};
std::atomic<int> requested_threads{0};
std::atomic<int> openmp_limit_at_request{0};
thread_local int own_count = 0;

// A team's threads do not survive fork; libgomp would wait for them in the child forever. So the child runs serially.
const bool fork_handler_installed = [] {
#if defined(__unix__) || defined(__APPLE__)
  pthread_atfork(nullptr, nullptr, [] { in_forked_child.store(true); });
#endif
  return true;
}();

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

// The first number of OMP_NUM_THREADS; 0 if it is not set or no list of numbers above 0, which OpenMP ignores.
int environment_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  long first = 0;
  while (text != nullptr) {
    char* end = nullptr;
    errno = 0;
    const long count = std::strtol(text, &end, 10);
    if (end == text || count < 1 || errno != 0) return 0;
    if (first == 0) first = count;
    while (std::isspace(static_cast<unsigned char>(*end))) ++end;
    if (*end != '\0' && *end != ',') return 0;
    text = *end == ',' ? end + 1 : nullptr;
  }
  return static_cast<int>(std::min<long>(first, std::numeric_limits<int>::max()));
}

// OpenMP's limit; without OpenMP the one of OMP_NUM_THREADS, or none.
int openmp_limit() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  static const int limit = environment_threads();
  return limit > 0 ? limit : std::numeric_limits<int>::max();
#endif
}

// The size that OMP_STACKSIZE asks for; 0 if it is not set or libgomp ignores it. Without a unit it is in KiB.
double openmp_stack_bytes() {
  const char* text = std::getenv("OMP_STACKSIZE");
  if (text == nullptr) text = std::getenv("GOMP_STACKSIZE");
  if (text == nullptr) return 0;
  char* end = nullptr;
  const double count = std::strtod(text, &end);
  if (end == text) return 0;
  while (*end == ' ') ++end;
  switch (*end) {
    case 'b':
    case 'B':
      return count;
    case 'm':
    case 'M':
      return count * (1 << 20);
    case 'g':
    case 'G':
      return count * (1 << 30);
    default:
      return count * (1 << 10);
  }
}

const TeamBackend* find_backend(const std::string& name) {
#ifdef _OPENMP
  if (name == openmp_team.name) return &openmp_team;
#endif
  if (name == thread_team.name) return &thread_team;
  const std::string choices = has_openmp ? "openmp, threads" : "threads (this build has no OpenMP)";
  throw std::runtime_error("NABLAS_TEAM: expected one of " + choices + ", got '" + printable(name) + "'");
}

// Without NABLAS_TEAM: OpenMP for single calls, unless its threads' stacks are too small for the kernels, or so large
// that a trial cannot tell whether a thread can be started (team_openmp.cpp).
const TeamBackend* choose_backend(Use use) {
  if (const char* name = std::getenv("NABLAS_TEAM"); name != nullptr && *name != '\0') return find_backend(name);
#ifdef _OPENMP
  constexpr double least = 256 << 10, most = 8 << 20;
  const double stack = openmp_stack_bytes();
  if (use == Use::call && (stack == 0 || (stack >= least && stack <= most))) return &openmp_team;
#endif
  return &thread_team;
}

std::atomic<const TeamBackend*> backends[2]{};  // by Use
std::atomic<bool> shortage{false};

const TeamBackend& backend(Use use) {
  std::atomic<const TeamBackend*>& chosen = backends[static_cast<int>(use)];
  const TeamBackend* found = chosen.load(std::memory_order_acquire);
  if (found == nullptr) chosen.store(found = choose_backend(use), std::memory_order_release);
  return *found;
}

class OnePhase final : public Phases {
 public:
  OnePhase(void (*body)(void*, const Team&), void* context) : body_(body), context_(context) {}
  void part(const Team& team) noexcept override { body_(context_, team); }
  bool advance() noexcept override { return false; }

 private:
  void (*body_)(void*, const Team&);
  void* context_;
};

}  // namespace

bool in_forked_process() { return in_forked_child.load(std::memory_order_relaxed); }

int allowed_processors() {
  static const int quota = read_cgroup_quota();
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, std::min(CPU_COUNT(&set), quota));
#endif
  return std::max(1, std::min(static_cast<int>(std::thread::hardware_concurrency()), quota));
}

int most_threads() {
  static const int most = std::min(2 * allowed_processors(), Claims::most_threads);
  return most;
}

namespace {

struct Count {
  int threads;
  const char* source;
};

Count count_threads() {
  if (in_forked_process()) return {1, "a forked process"};
  if (backend(Use::call).in_team() || backend(Use::network).in_team()) return {1, "inside another call"};
  const int most = most_threads();
  if (own_count > 0) return {std::min(own_count, most), "n_threads of the call"};
  const int limit = openmp_limit();
  if (const int requested = requested_threads.load(); requested > 0) {
    if (limit < openmp_limit_at_request.load() && limit < requested) return {std::min(most, limit), "OpenMP's limit"};
    return {std::min(most, requested), "set_num_threads"};
  }
  static const bool set_by_environment = environment_threads() > 0;
  const int most_here = set_by_environment ? most : std::min(most, allowed_processors());
  if (limit < most_here || set_by_environment)
    return {std::max(1, std::min(limit, most_here)), set_by_environment ? "OMP_NUM_THREADS" : "OpenMP's limit"};
  return {std::max(1, most_here), "processors allowed (affinity, cgroup quota)"};
}

}  // namespace

double thread_seconds() {
#if defined(__unix__) || defined(__APPLE__)
  timespec time;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0)
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
#endif
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int num_threads() { return count_threads().threads; }

const char* source_of_num_threads() { return count_threads().source; }

bool take_shortage() { return shortage.exchange(false); }

void set_num_threads(int count) {
  openmp_limit_at_request.store(openmp_limit());
  requested_threads.store(count);
}

void set_own_threads(int count) { own_count = count; }

int own_threads() { return own_count; }

int threads_for(double operations, double operations_per_thread) {
  if (operations < 2 * operations_per_thread) return 1;
  const double useful = operations / operations_per_thread;
  const int available = num_threads();
  return useful < available ? static_cast<int>(useful) : available;
}

int threads_for_call(double operations) {
  const bool sleeps = &backend(Use::call) == &thread_team;
  return threads_for(operations, sleeps ? operations_per_wake_up : operations_per_region);
}

const char* team_backend(Use use) { return backend(use).name; }

void use_team_backend(const std::string& name) {
  const TeamBackend* const found = name.empty() ? nullptr : find_backend(name);
  for (auto& chosen : backends) chosen.store(found, std::memory_order_release);
}

void report_shortage() { shortage.store(true); }

Effort run_phases(int threads, int parts_each, Phases& phases) noexcept {
  if (threads > 1 && !in_forked_process()) return backend(Use::network).run_phases(threads, parts_each, phases);
  Effort effort;
  do {
    phases.part(alone);
    ++effort.parts;
  } while (phases.advance());
  effort.own = effort.parts;
  return effort;
}

void run_team(int threads, int parts_each, Use use, void (*body)(void*, const Team&), void* context) noexcept {
  OnePhase phase(body, context);
  if (threads <= 1 || in_forked_process()) return phase.part(alone);
  if (use == Use::network) {
    backend(use).run_phases(threads, parts_each, phase);
    return;
  }
  static thread_local CallPace pace;
  const CallPace::Time begin = CallPace::Clock::now();
  if (pace.alone(begin)) {
    phase.part(alone);
    pace.record_alone(begin, CallPace::Clock::now());
  } else {
    const Effort effort = backend(use).run_phases(threads, parts_each, phase);
    pace.record_team(effort, begin, CallPace::Clock::now());
  }
}

}  // namespace nablas
