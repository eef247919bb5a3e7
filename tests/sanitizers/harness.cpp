// Fits, gradients, inference and evaluation by teams of threads, for ThreadSanitizer (threads.py). Every result must
// have the bits that one thread gives.
#include "work.hpp"

#include <atomic>
#include <cstdio>
#include <thread>

namespace {

int wrong = 0;

template <class T>
std::string results(const Problem& problem, int threads) {
  return Work<T>(problem).all(threads);
}
void expect(bool same, const char* name) {
  if (!same) std::printf("%s: a team's result differs from one thread's\n", name), ++wrong;
}

// Each leader has a team and a network of its own; they end while others work.
template <class T>
void several_leaders() {
  std::vector<std::string> want(problems.size()), got(problems.size());
  for (std::size_t i = 0; i < problems.size(); ++i) want[i] = results<T>(problems[i], 1);
  std::vector<std::thread> leaders;
  for (std::size_t i = 0; i < problems.size(); ++i)
    leaders.emplace_back([&, i] { got[i] = results<T>(problems[i], 3); });
  for (std::thread& leader : leaders) leader.join();
  for (std::size_t i = 0; i < problems.size(); ++i) expect(got[i] == want[i], problems[i].name);
}

// One network is trained while two other threads read it under its lock.
template <class T>
void readers(const Problem& problem) {
  Work<T> work(problem);
  std::atomic<bool> end{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      set_own_threads(2);
      std::vector<T> out(problem.rows * work.network.outputs());
      while (!end.load()) {
        const std::shared_lock<Lock> lock(work.network.lock);
        infer(work.network, work.data, {0, problem.rows}, out.data());
      }
    });
  Trainer<T> trainer(work.network, work.setting);
  for (int i = 0; i < 3; ++i) work.epoch(trainer, 0);
  end.store(true);
  for (std::thread& thread : threads) thread.join();
}

template <class T>
void everything() {
  for (const Problem& problem : problems) {
    const std::string want = results<T>(problem, 1);
    for (const int threads : {2, 3, 4, 2}) expect(results<T>(problem, threads) == want, problem.name);
  }
  several_leaders<T>();
  for (const Problem& problem : problems)
    if (problem.dropout == 0) readers<T>(problem);
}

}  // namespace

int main() {
  use_team_backend("threads");
  everything<float>();
  everything<double>();
  if (take_shortage()) std::printf("threads could not be started\n"), ++wrong;
  std::printf("%d wrong results\n", wrong);
  return wrong > 0;
}
