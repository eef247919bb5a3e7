// A helper that begins on its leader's processor goes to another one, and may still use all.
#include "base/placement.hpp"

#include <sched.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/claims.hpp"

namespace {

using namespace nablas;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::abort();
}

cpu_set_t allowed() {
  cpu_set_t set;
  require(sched_getaffinity(0, sizeof set, &set) == 0, "the processors that may be used");
  return set;
}

void may_use(const cpu_set_t& set) { require(sched_setaffinity(0, sizeof set, &set) == 0, "the processors"); }

cpu_set_t only(int processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  return one;
}

void a_thread_leaves() {
  const cpu_set_t before = allowed();
  const int here = current_processor();
  const int taken[] = {here, -1, 1 << 20};
  leave_processors(taken, 3);
  require(current_processor() != here, "another processor");
  const cpu_set_t after = allowed();
  require(CPU_EQUAL(&before, &after), "the same choice of processors as before");
  int all[CPU_SETSIZE];
  for (int i = 0; i < CPU_SETSIZE; ++i) all[i] = i;
  leave_processors(all, CPU_SETSIZE);  // none is left
  const cpu_set_t last = allowed();
  require(CPU_EQUAL(&before, &last), "the same choice of processors where none is free");
}

// Both threads note their processors, and go on once both have.
class Meeting final : public Phases {
 public:
  void part(const Team& team) noexcept override {
    place[team.worker].store(current_processor());
    while (place[1 - team.worker].load() < 0) std::this_thread::yield();
  }
  bool advance() noexcept override { return false; }
  std::atomic<int> place[2] = {-1, -1};
};

// The leader stays on its processor; the helper begins there.
void a_helper_leaves() {
  const cpu_set_t all = allowed();
  const int here = current_processor();
  may_use(only(here));
  Claims claims(2, 2);
  std::thread helper([&] {
    may_use(all);  // it inherited the leader's
    claims.serve(1);
  });
  Meeting meeting;
  claims.begin(2, 1, meeting);
  claims.lead();
  claims.close();
  helper.join();
  may_use(all);
  require(meeting.place[0] == here, "the leader's processor");
  require(meeting.place[1] != here, "another processor for the helper");
}

}  // namespace

int main() {
  a_thread_leaves();
  for (int i = 0; i < 50; ++i) a_helper_leaves();
  std::puts("done");
}
