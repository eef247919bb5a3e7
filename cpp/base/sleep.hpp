// Sleep of a thread until another one wakes it: a futex on Linux, else a mutex and a condition variable.
#pragma once

#include <atomic>
#include <cstdint>

namespace nablas {

// A thread's mark: 1 before it sleeps (2 if on a condition variable), 0 when another has woken it.
using SleepMark = std::atomic<std::uint32_t>;

void sleep_while_set(SleepMark&);  // returns when the mark is 0
void wake(SleepMark&);             // sets the mark to 0; no system call if nobody set it

// Whether threads that fall asleep from now on use futexes; false, or no Linux: condition variables. For tests.
void use_futex(bool);

}  // namespace nablas
