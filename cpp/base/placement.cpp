#include "base/placement.hpp"

#if defined(__linux__)
#include <sched.h>
#endif

namespace nablas {

#if defined(__linux__)
int current_processor() { return sched_getcpu(); }

void leave_processors(const int* taken, int count) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  for (int i = 0; i < count; ++i)
    if (taken[i] >= 0 && taken[i] < CPU_SETSIZE) CPU_CLR(taken[i], &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  sched_setaffinity(0, sizeof allowed, &allowed);
}
#else
int current_processor() { return -1; }
void leave_processors(const int*, int) {}
#endif

}  // namespace nablas
