// Which thread does which part of a run of phases.
//
// A thread claims its own parts first, whose data it has in its cache, then any that nobody has begun. Nobody waits for
// a thread that has no part: one that comes late finds the present phase, or none. The last to finish a part advances
// the phases. Who finds no part spins for a short time and then sleeps.
//
// `word_` holds the number of the present round, the threads and parts of its phase, and whether the run has ended. A
// part of round r is free while its claim is r - 1. Nobody takes a part of the round that ends a run; its number is the
// claim that `begin` gives to the parts of the next run.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/parallel.hpp"
#include "base/processor.hpp"
#include "base/sleep.hpp"

namespace nablas {

class Claims {
 public:
  // For up to `threads` threads; more than `processors` at a time do not spin. Throws std::bad_alloc.
  Claims(int threads, int processors);

  // The leader, thread 0: begins a run; then takes parts, and returns when all phases are done.
  void begin(int threads, int parts_each, Phases&) noexcept;
  Effort lead() noexcept;
  // Thread 1 and up: takes parts until the present run has ended.
  void join(int thread) noexcept;
  // Thread 1 and up: takes parts of all runs until `close`.
  void serve(int thread) noexcept;
  void close() noexcept;

  static constexpr int most_threads = 4095, most_parts_each = 8;
  static constexpr int most_moved = 64;  // threads of a team that keep away from each other's processors

 private:
  using Word = std::uint64_t;
  struct Seat {  // of a thread
    alignas(64) SleepMark asleep{0};
    std::atomic<int> processor{-1};  // where it was when its work began
  };
  struct Part {
    alignas(64) std::atomic<Word> claim{0};
  };
  void work(int thread, Effort*) noexcept;
  bool take(Word, int part, int thread) noexcept;
  bool take_own(Word, int thread) noexcept;
  bool take_any(Word, int thread) noexcept;
  double wait(Word, int thread, bool sleep_at_once) noexcept;
  int pauses(Word, int) const;
  void take_place(int thread) noexcept;

  const int most_threads_, processors_;
  std::unique_ptr<Seat[]> seats_;
  std::unique_ptr<Part[]> parts_;
  Phases* phases_ = nullptr;  // this and the next: read only by a thread with a claim of the present run
  FloatMode float_mode_ = 0;  // the leader's
  Word first_ = 0;            // of the present run
  alignas(64) std::atomic<Word> word_;
  alignas(64) std::atomic<int> done_{0};
};

}  // namespace nablas
