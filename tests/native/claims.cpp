// Runs of phases on threads that delay at random: every part is done once, after all parts of the phase before, by a
// thread of the run. With "alone" no helper exists, and the leader must do everything.
#include "base/claims.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace {

using namespace nablas;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::abort();
}

class Counted final : public Phases {
 public:
  Counted(int threads, int parts, int phases, unsigned seed)
      : threads_(threads), left_(phases), seed_(seed), done_(parts) {
    for (auto& count : done_) count.store(0);
  }
  ~Counted() {
    alive_ = false;
    require(left_ == 0, "all phases");
  }
  void part(const Team& team) noexcept override {
    require(alive_, "a part of phases that are gone");
    require(team.worker >= 0 && team.worker < threads_, "a thread of the run");
    require(team.size == static_cast<int>(done_.size()), "the number of parts");
    std::mt19937 random(seed_ * 131 + left_ * 17 + team.rank);
    if (const auto delay = random() % 40; delay == 0)
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
    else if (delay < 5)
      std::this_thread::yield();
    require(done_[team.rank].fetch_add(1) == 0, "each part once");
    ++sum_;
  }
  bool advance() noexcept override {
    for (auto& count : done_) require(count.exchange(0) == 1, "all parts before the next phase");
    return --left_ > 0;
  }
  int sum() const { return sum_; }

 private:
  const int threads_;
  int left_;
  const unsigned seed_;
  bool alive_ = true;
  std::vector<std::atomic<int>> done_;
  std::atomic<int> sum_{0};
};

void run_some(Claims& claims, int most, int runs) {
  std::mt19937 random(7);
  for (int i = 0; i < runs; ++i) {
    const int threads = 2 + static_cast<int>(random() % (most - 1)), each = 1 + static_cast<int>(random() % 3);
    const int phases = 1 + static_cast<int>(random() % 6);
    Counted work(threads, threads * each, phases, i);
    claims.begin(threads, each, work);
    const Effort effort = claims.lead();
    require(effort.parts == int64{threads} * each * phases && work.sum() == effort.parts, "the count of parts");
    require(effort.own >= 0 && effort.own <= effort.parts && effort.asleep >= 0, "the leader's effort");
    if (random() % 20 == 0) std::this_thread::sleep_for(std::chrono::microseconds(500));  // the helpers fall asleep
  }
}

// Runs until a helper does a part: it ends only if they wake up.
void run_until_helped(Claims& claims, int most) {
  for (unsigned seed = 0;; ++seed) {
    Counted work(most, most, 6, seed);
    claims.begin(most, 1, work);
    const Effort effort = claims.lead();
    if (effort.own < effort.parts) return;
  }
}

}  // namespace

int main(int count, char** arguments) {
  const bool alone = count > 1 && std::strcmp(arguments[1], "alone") == 0;
  if (count > 1 && std::strcmp(arguments[1], "condition") == 0) use_futex(false);
  constexpr int most = 5;
  Claims claims(most, 3);
  if (alone) {
    run_some(claims, most, 200);
  } else {
    std::vector<std::thread> helpers;
    run_some(claims, most, 10);
    for (int i = 1; i < most; ++i) helpers.emplace_back([&claims, i] { claims.serve(i); });
    run_some(claims, most, 4000);
    for (int i = 0; i < 20; ++i) {  // helpers that sleep in one way are woken after a change to the other
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      use_futex(i % 2 == 0);
      run_until_helped(claims, most);
    }
    claims.close();
    for (std::thread& helper : helpers) helper.join();
  }
  std::puts("done");
}
