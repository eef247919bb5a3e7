// The parts of a phase run side by side: on each backend, every part waits until all have begun. `parallel` gives each
// thread the parts it was asked for, one without a word.
#include "base/team.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

namespace {

using namespace nablas;

class Meeting final : public Phases {
 public:
  explicit Meeting(int phases) : left_(phases) {}
  void part(const Team& team) noexcept override {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    begun_.fetch_add(1);
    while (begun_.load() < team.size) {
      if (std::chrono::steady_clock::now() > deadline) {
        met_ = false;
        return;
      }
      std::this_thread::yield();
    }
  }
  bool advance() noexcept override {
    begun_.store(0);
    return --left_ > 0 && met_;
  }
  bool met() const { return met_; }

 private:
  std::atomic<int> begun_{0};
  std::atomic<bool> met_{true};
  int left_;
};

bool meets(const TeamBackend& backend) {
  for (int threads = 2; threads <= 4; ++threads) {
    Meeting meeting(50);
    const Effort effort = backend.run_phases(threads, 1, meeting);
    if (!meeting.met() || effort.parts != 50 * threads || effort.own >= effort.parts || backend.in_team()) {
      std::fprintf(stderr, "failed: %s, %d threads, %lld parts\n", backend.name, threads,
                   static_cast<long long>(effort.parts));
      return false;
    }
  }
  return true;
}

// Every part of one phase is done once, and there are `each` for a thread; 0: as many as there are without a word.
bool divides(int each) {
  constexpr int threads = 2;
  const int parts = threads * (each > 0 ? each : 1);
  std::vector<std::atomic<int>> done(parts);
  std::atomic<bool> right{true};
  const auto body = [&](const Team& team) {
    if (team.size != parts || team.rank < 0 || team.rank >= parts) {
      right = false;
    } else {
      done[team.rank].fetch_add(1);
    }
  };
  if (each > 0) {
    parallel(threads, body, Use::network, each);
  } else {
    parallel(threads, body, Use::network);
  }
  for (int i = 0; i < parts; ++i) right = right && done[i].load() == 1;
  if (!right) std::fprintf(stderr, "failed: parallel with %d parts a thread\n", each);
  return right;
}

}  // namespace

int main() {
  bool all = meets(thread_team);
#ifdef _OPENMP
  all = meets(openmp_team) && all;
#endif
  for (int each = 0; each <= 3; ++each) all = divides(each) && all;
  if (all) std::puts("done");
  return all ? 0 : 1;
}
