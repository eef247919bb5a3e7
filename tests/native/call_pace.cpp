// Whether single calls get a team, by a clock and losses that the test sets.
#include "base/call_pace.hpp"

#include <cstdio>
#include <cstdlib>
#include <random>

namespace {

using namespace nablas;
using Seconds = CallPace::Seconds;
using Time = CallPace::Time;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::abort();
}

// Calls of `call` seconds on one thread and half of that with two, with pauses between them. With probability `often`
// the helper has no processor for `stall` seconds: either after it has begun its part, and the leader waits for that;
// or before, and the leader does both parts and waits at the region's end.
struct Machine {
  double call = 40e-6, pause = 0, often = 0, stall = 0;
  CallPace pace;
  double now = 0, in_calls = 0, wakes = 0;
  long calls = 0, with_team = 0;
  std::mt19937 random{1};

  double chance() { return static_cast<double>(random() % 1000000) / 1e6; }

  void run_call() {
    const double begin = now;
    ++calls;
    if (pace.alone(Time(Seconds(now)))) {
      now += call;
      pace.record_alone(Time(Seconds(begin)), Time(Seconds(now)));
    } else {
      ++with_team;
      Effort effort;
      effort.parts = 2;
      const bool stalls = chance() < often, in_part = stalls && chance() < 0.5;
      effort.own = stalls && !in_part ? 2 : 1;  // the leader does the part that its helper has not begun
      effort.asleep = in_part ? stall : 0;
      effort.late = stalls && !in_part ? stall : wakes;
      now += call / 2 * static_cast<double>(effort.own) + effort.asleep + effort.late;
      pace.record_team(effort, Time(Seconds(begin)), Time(Seconds(now)));
    }
    in_calls += now - begin;
    now += pause;
  }
  void run(double seconds_in_calls) {
    in_calls = 0;
    calls = with_team = 0;
    while (in_calls < seconds_in_calls) run_call();
  }
};

void a_team_is_kept_where_it_pays() {
  for (const double call : {10e-6, 1e-3, 0.5})
    for (const double pause : {0.0, 1e-3}) {
      Machine machine;
      machine.call = call;
      machine.pause = pause;
      machine.wakes = 60e-6;  // of a helper that sleeps
      machine.run(20 * call);
      require(machine.with_team == machine.calls, "no call without a team");
    }
}

void stalls_cost_little() {
  for (const double call : {10e-6, 150e-6, 5e-3})
    for (const double pause : {0.0, 0.2e-3, 2e-3})
      for (const double often : {1e-3, 0.05, 1.0})
        for (const double stall : {1e-3, 12e-3, 50e-3}) {
          Machine machine;
          machine.call = call;
          machine.pause = pause;
          machine.often = often;
          machine.stall = stall;
          machine.run(20);
          const double alone = static_cast<double>(machine.calls) * call;
          const double duty = call / (call + pause);  // sparse calls try a team every 10 s
          require(machine.in_calls < 1.1 * alone + stall / (10 * duty) * 20, "at most 1.1 times one thread's time");
        }
}

void a_team_is_back_after_stalls() {
  for (const double stall : {1e-3, 12e-3, 50e-3})
    for (const double pause : {0.0, 0.2e-3, 20e-3}) {
      Machine machine;
      machine.pause = pause;
      machine.often = 1;
      machine.stall = stall;
      machine.run(1);
      machine.often = 0;
      const double begin = machine.now;
      machine.in_calls = 0;
      machine.calls = machine.with_team = 0;
      while (machine.with_team == 0) machine.run_call();
      require(machine.in_calls < 21 * stall || machine.now - begin < 10.1, "back after 20 times the loss, or 10 s");
      require(machine.now - begin < 10.1, "back within 10 s");
      machine.run(1);
      require(machine.with_team == machine.calls, "and stays");
    }
}

void one_stall_is_soon_forgotten() {
  for (const double stall : {1e-3, 12e-3})
    for (int times = 0; times < 3; ++times) {
      Machine machine;
      for (int i = 0; i <= times; ++i) {
        machine.often = 1;
        machine.stall = stall;
        machine.run_call();
        machine.often = 0;
        machine.run(1.1 * stall);
        machine.run(21 * stall);
        require(machine.calls - machine.with_team <= 1, "a team after as long as the loss");
      }
    }
}

// Whatever the leader did: its helper's part as well, or its own alone.
void losses_that_recur_keep_calls_alone_longer() {
  for (const long own : {1, 2}) {
    CallPace pace;
    double now = 0;
    for (const double times : {1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0}) {
      const double stall = 12e-3, call = 2e-3, step = 0.1e-3;
      const double total = call / 2 * static_cast<double>(own) + stall;
      const Effort effort = own == 2 ? Effort{2, 2, 0, stall} : Effort{2, 1, stall, 0};
      pace.record_team(effort, Time(Seconds(now)), Time(Seconds(now + total)));
      now += total;
      double alone = 0;
      for (; pace.alone(Time(Seconds(now))); now += step, alone += step)
        pace.record_alone(Time(Seconds(now)), Time(Seconds(now + step)));
      const double loss = total - call;  // over what one thread would have taken
      require(alone > 0.97 * times * loss && alone < 1.03 * times * loss, "as long as the loss, then twice that");
    }
  }
}

void a_leader_without_a_part_has_lost_nothing() {
  CallPace pace;
  pace.record_team({2, 0, 5e-3, 0}, Time(Seconds(0)), Time(Seconds(5e-3)));
  require(!pace.alone(Time(Seconds(6e-3))), "its helpers did all the work");
}

}  // namespace

int main() {
  a_team_is_kept_where_it_pays();
  stalls_cost_little();
  a_team_is_back_after_stalls();
  one_stall_is_soon_forgotten();
  losses_that_recur_keep_calls_alone_longer();
  a_leader_without_a_part_has_lost_nothing();
  std::puts("done");
}
