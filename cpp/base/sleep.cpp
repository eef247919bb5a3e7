#include "base/sleep.hpp"

#include <condition_variable>
#include <mutex>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace nablas {
namespace {

#if defined(__linux__)
constexpr bool has_futex = true;
static_assert(sizeof(SleepMark) == sizeof(std::uint32_t) && SleepMark::is_always_lock_free);

void futex(SleepMark& mark, int operation, std::uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&mark), operation, value, nullptr, nullptr, 0);
}
void futex_wait(SleepMark& mark) { futex(mark, FUTEX_WAIT_PRIVATE, 1); }
void futex_wake(SleepMark& mark) { futex(mark, FUTEX_WAKE_PRIVATE, 1); }
#else
constexpr bool has_futex = false;
void futex_wait(SleepMark&) {}
void futex_wake(SleepMark&) {}
#endif

std::atomic<bool> futex_used{has_futex};

// Where threads without a futex sleep; marks share these by address. Never destroyed: helpers outlive the process's
// static objects.
struct Place {
  std::mutex mutex;
  std::condition_variable woken;
};
Place& place_of(const SleepMark& mark) {
  constexpr std::size_t count = 64, line = 64;
  static Place* const places = new Place[count];
  return places[reinterpret_cast<std::uintptr_t>(&mark) / line % count];
}

}  // namespace

void use_futex(bool used) { futex_used.store(used && has_futex); }

void sleep_while_set(SleepMark& mark) {
  if (futex_used.load(std::memory_order_relaxed)) {
    while (mark.load(std::memory_order_acquire) != 0) futex_wait(mark);
    return;
  }
  std::uint32_t before = 1;
  if (!mark.compare_exchange_strong(before, 2)) return;  // woken already
  Place& place = place_of(mark);
  std::unique_lock<std::mutex> lock(place.mutex);
  place.woken.wait(lock, [&] { return mark.load(std::memory_order_acquire) == 0; });
}

void wake(SleepMark& mark) {
  if (mark.load() == 0) return;
  const std::uint32_t before = mark.exchange(0);
  if (before == 1) futex_wake(mark);
  if (before != 2) return;
  Place& place = place_of(mark);
  {
    const std::lock_guard<std::mutex> lock(place.mutex);
  }  // after it the sleeper waits, or has seen the mark
  place.woken.notify_all();
}

}  // namespace nablas
