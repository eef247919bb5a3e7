#include "base/claims.hpp"

#include "base/placement.hpp"

#include <algorithm>
#include <chrono>

namespace nablas {
namespace {

using Word = std::uint64_t;

// Layout of a Word, from bit 0: ended (1 bit), parts per thread (7), threads (12), round (44).
constexpr int each_at = 1, threads_at = 8, round_at = 20;
constexpr Word closed = ~Word{0};
Word word_of(Word round, int threads, int each, bool ended) {
  return round << round_at | static_cast<Word>(threads) << threads_at | static_cast<Word>(each) << each_at |
         static_cast<Word>(ended);
}
Word round_of(Word word) { return word >> round_at; }
int threads_of(Word word) { return static_cast<int>(word >> threads_at & 0xfff); }
int each_of(Word word) { return static_cast<int>(word >> each_at & 0x7f); }
int parts_of(Word word) { return threads_of(word) * each_of(word); }
bool ended(Word word) { return (word & 1) != 0; }

// Pauses (26 to 65 ns) before a thread takes another's part, which has its data in the other's cache; and before it
// sleeps: longer than a short phase, shorter than a time slice.
constexpr int before_taking = 40, before_sleeping = 2000;

bool spin_until_changed(const std::atomic<Word>& word, Word old, int pauses) {
  for (int i = 0; i < pauses; ++i) {
    if (word.load(std::memory_order_acquire) != old) return true;
    spin_pause();
  }
  return word.load(std::memory_order_acquire) != old;
}

}  // namespace

Claims::Claims(int threads, int processors)
    : most_threads_(std::min(threads, most_threads)),
      processors_(processors),
      seats_(new Seat[most_threads_]),
      parts_(new Part[static_cast<std::size_t>(most_threads_) * most_parts_each]),
      word_(word_of(0, 0, 0, true)) {}

void Claims::begin(int threads, int parts_each, Phases& phases) noexcept {
  threads = std::min(threads, most_threads_);
  parts_each = std::min(parts_each, most_parts_each);
  const Word last = round_of(word_.load(std::memory_order_relaxed));
  for (int i = 0; i < threads * parts_each; ++i) parts_[i].claim.store(last, std::memory_order_relaxed);
  phases_ = &phases;
  float_mode_ = float_mode();
  seats_[0].processor.store(current_processor(), std::memory_order_relaxed);
  first_ = word_of(last + 1, threads, parts_each, false);
  word_.store(first_);
  for (int i = 1; i < threads; ++i) wake(seats_[i].asleep);
}

Effort Claims::lead() noexcept {
  Effort effort;
  work(0, &effort);
  const Word rounds = round_of(word_.load(std::memory_order_relaxed)) - round_of(first_);
  effort.parts = static_cast<int64>(rounds) * parts_of(first_);
  return effort;
}

void Claims::join(int thread) noexcept { work(thread, nullptr); }

void Claims::serve(int thread) noexcept {
  for (;;) {
    const Word word = word_.load(std::memory_order_acquire);
    if (word == closed) return;
    const bool left_out = thread >= threads_of(word);
    if (ended(word) || left_out)
      wait(word, thread, left_out);
    else
      work(thread, nullptr);
  }
}

void Claims::close() noexcept {
  word_.store(closed);
  for (int i = 1; i < most_threads_; ++i) wake(seats_[i].asleep);
}

// Notes the thread's processor; one that is on that of an earlier thread goes to another. The system leaves threads
// together for long where other processes use the other processors.
void Claims::take_place(int thread) noexcept {
  const int processor = current_processor();
  if (processor < 0 || threads_of(word_.load(std::memory_order_relaxed)) > processors_) return;
  int taken[most_moved], count = 0;
  bool apart = true;
  for (int i = 0; i < thread && i < most_moved; ++i) {
    taken[count++] = seats_[i].processor.load(std::memory_order_relaxed);
    apart = apart && taken[i] != processor;
  }
  if (!apart) leave_processors(taken, count);
  seats_[thread].processor.store(apart ? processor : current_processor(), std::memory_order_relaxed);
}

void Claims::work(int thread, Effort* effort) noexcept {
  if (thread > 0) take_place(thread);
  bool took_another = false;
  for (;;) {
    const Word word = word_.load(std::memory_order_acquire);
    if (ended(word) || thread >= threads_of(word)) return;
    if (take_own(word, thread)) {
      took_another = false;
    } else if (!took_another && spin_until_changed(word_, word, pauses(word, before_taking))) {
      continue;
    } else if (take_any(word, thread)) {
      took_another = true;
    } else {
      const double asleep = wait(word, thread, false);
      if (effort != nullptr) effort->asleep += asleep;
      continue;
    }
    if (effort != nullptr) ++effort->own;
  }
}

bool Claims::take_own(Word word, int thread) noexcept {
  const int each = each_of(word);
  for (int i = 0; i < each; ++i)
    if (take(word, thread * each + i, thread)) return true;
  return false;
}

bool Claims::take_any(Word word, int thread) noexcept {
  const int parts = parts_of(word), first = (thread + 1) * each_of(word);
  for (int i = 0; i < parts; ++i)
    if (take(word, (first + i) % parts, thread)) return true;
  return false;
}

// False: the part is not free, or the round is over.
bool Claims::take(Word word, int part, int thread) noexcept {
  std::atomic<Word>& claim = parts_[part].claim;
  const Word round = round_of(word);
  Word free = round - 1;
  if (claim.load(std::memory_order_relaxed) != free ||
      !claim.compare_exchange_strong(free, round, std::memory_order_acq_rel, std::memory_order_relaxed))
    return false;
  const int parts = parts_of(word);
  if (thread > 0) set_float_mode(float_mode_);
  phases_->part({part, parts, thread});
  if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 < parts) return true;
  done_.store(0, std::memory_order_relaxed);
  const bool more = phases_->advance();
  const int threads = threads_of(word);
  word_.store(word_of(round + 1, threads, each_of(word), !more));
  for (int i = 0; i < threads; ++i)
    if (i != thread) wake(seats_[i].asleep);
  return true;
}

// None where a thread that spins takes the processor of one with a part.
int Claims::pauses(Word word, int wanted) const { return threads_of(word) > processors_ ? 0 : wanted; }

// Until the word has changed; returns the seconds asleep.
double Claims::wait(Word word, int thread, bool sleep_at_once) noexcept {
  if (!sleep_at_once && spin_until_changed(word_, word, pauses(word, before_sleeping))) return 0;
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  SleepMark& asleep = seats_[thread].asleep;
  asleep.store(1);
  if (word_.load() == word)
    sleep_while_set(asleep);
  else
    asleep.store(0);
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace nablas
