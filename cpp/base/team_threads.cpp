// Teams of std::threads. Each thread that opens regions (a leader) has helpers of its own, which sleep between regions
// and end with their leader. They are detached: neither a leader's end nor the process's exit waits for them.
#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <signal.h>
#endif

#include "base/team.hpp"

namespace nablas {
namespace {

constexpr int size_bits = 16;  // of a job: its number above, its team's size below

// What a leader shares with its helpers. A helper whose rank is below the job's size reads the other members and counts
// itself in `ended`; the leader waits for these before it writes the next job. Other helpers read `job` alone.
struct Shared {
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<std::uint64_t> job{0};
  std::atomic<bool> end{false};
  std::atomic<int> ended{0};
  void (*body)(void*, const Team&) = nullptr;
  void* context = nullptr;
  Barrier* barrier = nullptr;
};

thread_local bool within = false;

void help(const std::shared_ptr<Shared>& shared, int rank, std::uint64_t last) {
  within = true;
  const auto due = [&] { return shared->job.load(std::memory_order_acquire) != last || shared->end.load(); };
  for (;;) {
    if (!spin(due)) {
      std::unique_lock<std::mutex> lock(shared->mutex);
      shared->wake.wait(lock, due);
    }
    if (shared->end.load()) return;
    last = shared->job.load(std::memory_order_acquire);
    const int size = static_cast<int>(last & ((1u << size_bits) - 1));
    if (rank >= size) continue;
    shared->body(shared->context, Team(rank, size, shared->barrier));
    shared->ended.fetch_add(1, std::memory_order_acq_rel);
  }
}

// Signals are for the interpreter's threads: the helpers started while this lives block all of them.
class SignalsBlocked {
 public:
#if defined(__unix__) || defined(__APPLE__)
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
#endif
};

class Leader {
 public:
  ~Leader() {
    if (!shared_ || in_forked_process()) return;
    {
      const std::lock_guard<std::mutex> lock(shared_->mutex);
      shared_->end.store(true);
    }
    shared_->wake.notify_all();
  }

  void run(int threads, void (*body)(void*, const Team&), void* context, Barrier* barrier) {
    const int size = grow(threads);
    if (size > 1) {
      shared_->body = body;
      shared_->context = context;
      shared_->barrier = barrier;
      shared_->ended.store(0, std::memory_order_relaxed);
      {
        const std::lock_guard<std::mutex> lock(shared_->mutex);
        ++number_;
        shared_->job.store(job(size), std::memory_order_release);
      }
      shared_->wake.notify_all();
    }
    within = true;
    body(context, Team(0, size, barrier));
    within = false;
    if (size > 1) spin_wait(shared_->ended, size - 1);
  }

 private:
  // At most `threads`: as many as there are or can be started. Once starting one has failed, no more is tried.
  int grow(int threads) noexcept {
    if (threads > 1 + helpers_ && !short_) {
      const SignalsBlocked blocked;
      try {
        if (!shared_) shared_ = std::make_shared<Shared>();
        for (; 1 + helpers_ < threads; ++helpers_)
          std::thread(help, shared_, 1 + helpers_, shared_->job.load()).detach();
      } catch (...) {  // std::system_error or std::bad_alloc
        short_ = true;
        report_shortage();
      }
    }
    return std::min(threads, 1 + helpers_);
  }
  std::uint64_t job(int size) const { return number_ << size_bits | static_cast<std::uint64_t>(size); }

  std::shared_ptr<Shared> shared_;
  std::uint64_t number_ = 0;
  int helpers_ = 0;
  bool short_ = false;
};

void run(int threads, void (*body)(void*, const Team&), void* context, Barrier* barrier) {
  static thread_local Leader leader;
  leader.run(threads, body, context, barrier);
}

}  // namespace

const TeamBackend thread_team{"threads", run, [] { return within; }};

}  // namespace nablas
