// The choice between a team and one thread, by a clock and costs that the test sets.
#include "network/pace.hpp"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>

namespace {

using namespace nablas;
using Seconds = Pace::Seconds;
using Time = Pace::Time;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::abort();
}

// A machine on which a step of one thread takes `step` seconds, and with a team `team(now)` times as long.
struct Machine {
  double step = 20e-6;
  std::function<double(double)> team = [](double) { return 1.0; };
  std::function<double(double)> off = [](double) { return 0.0; };  // seconds without a processor in a stretch
  double most_of_stretch = 1;                                      // a run may end before its stretch does
  Pace pace;
  double now = 0, steps = 0, with_team = 0;
  bool last_was_team = false;
  int most = 2;

  double operations() const { return step / 50e-12; }

  void stretch() {
    const Pace::Stretch next = pace.next(most, operations(), Time(Seconds(now)));
    require(next.threads == 1 || next.threads == most, "one thread or the team");
    const double length = Seconds(next.end - Time(Seconds(now))).count() * most_of_stretch;
    require(length > 0 && length < 2.1e-3, "the length of a stretch");
    last_was_team = next.threads > 1;
    const double begin = now;
    double cost = 0, done = 0;
    do {
      cost += step * (last_was_team ? team(begin + cost) : 1);
      ++done;
    } while (cost < length);
    now += cost + off(begin);
    steps += done;
    if (last_was_team) with_team += now - begin;
    pace.record(next, done * operations(), cost, Time(Seconds(now)));
  }
  void run(double seconds) {
    steps = with_team = 0;
    for (const double end = now + seconds; now < end;) stretch();
  }
};

void the_cheaper_choice_is_made() {
  for (const double step : {2e-6, 20e-6, 0.5e-3, 8e-3})
    for (const double cost : {0.5, 0.8, 0.95, 1.05, 1.5, 4.0, 10.0})
      for (const double part : {1.0, 0.05}) {
        Machine machine;
        machine.step = step;
        machine.team = [cost](double) { return cost; };
        machine.most_of_stretch = part;
        machine.run(1);  // begins
        machine.run(3);
        const double best = std::min(1.0, cost), steps = 3 / step;
        require(machine.steps * best > 0.87 * steps, "at least 0.87 of the speed of the better choice");
        if (step < 1e-3 && cost < 5)
          require(machine.steps * best > 0.94 * steps, "at least 0.94 of it for short steps");
      }
}

void a_team_is_back_within_100_ms() {
  std::mt19937 random(3);
  for (int trial = 0; trial < 100; ++trial) {
    Machine machine;
    machine.step = 5e-6 * (1 + random() % 100);
    const double cost = 1.1 + 0.01 * (random() % 1000), off = trial % 2 == 0 ? 0 : 3e-3;
    machine.team = [cost](double) { return cost; };
    machine.off = [&](double) { return random() % 4 == 0 ? off : 0.0; };
    machine.run(0.5 + 0.01 * (random() % 100));
    machine.team = [](double) { return 0.6; };
    machine.off = [](double) { return 0.0; };
    machine.run(0.1);
    machine.run(0.2);
    require(machine.with_team > 0.18, "the team, 100 ms after it pays");
  }
}

void a_team_that_begins_to_lose_is_left() {
  Machine machine;
  machine.team = [](double now) { return now < 1 ? 0.6 : 3.0; };
  machine.run(1);
  machine.run(0.05);
  machine.run(1);
  require(machine.with_team < 0.1, "the single thread, 50 ms after the team loses");
}

// Where the team pays, and for a few milliseconds now and then does not.
void after_a_short_disturbance_the_team_is_soon_back() {
  std::mt19937 random(5);
  for (const double step : {20e-6, 0.2e-3, 1e-3})
    for (const double cost : {2.0, 4.0}) {
      double begin = 0, end = 0;
      Machine machine;
      machine.step = step;
      machine.team = [&](double now) { return now >= begin && now < end ? cost : 0.55; };
      machine.run(1);
      for (int i = 0; i < 20; ++i) {
        begin = machine.now, end = begin + 1e-3 * (3 + random() % 28);
        machine.run(end - begin);
        machine.run(0.7);
        require(machine.with_team > 0.7 - 0.05, "the team for all but 50 ms");
      }
    }
}

void one_thread_is_seldom_tried_where_the_team_pays() {
  for (const double step : {20e-6, 0.2e-3, 1e-3}) {
    Machine machine;
    machine.step = step;
    machine.team = [](double) { return 0.55; };
    machine.run(1);
    machine.run(10);
    require(machine.with_team > 0.985 * 10, "at most 0.015 of the time in trials");
  }
}

// A helper that has lost its processor holds up the team at times; the leader loses its own as often.
void contended_processors_cost_little() {
  for (const double away : {3e-3, 12e-3}) {
    Machine machine;
    double next = 0;
    machine.team = [&](double now) {
      if (now < next) return 0.7;
      next = now + away + 3e-3;
      return away / 20e-6;
    };
    machine.off = [&, k = 0](double) mutable { return ++k % 3 == 0 ? away : 0.0; };
    machine.run(5);
    machine.run(5);
    const double lost = machine.with_team;
    require(lost < 0.5, "a tenth of the time in trials");
  }
}

void few_trials_where_the_leader_loses_its_processor() {
  Machine machine;
  machine.team = [](double) { return 2.0; };
  machine.off = [k = 0](double) mutable { return ++k % 5 == 0 ? 3e-3 : 0.0; };
  machine.run(1);
  int trials = 0;
  bool before = false;
  for (const double end = machine.now + 10; machine.now < end; before = machine.last_was_team) {
    machine.stretch();
    trials += machine.last_was_team && !before;
  }
  require(trials >= 5 && trials <= 12, "about one trial a second");
}

void other_steps_are_judged_anew() {
  Machine machine;
  machine.team = [](double) { return 0.5; };
  machine.run(1);
  machine.step *= 0.6;  // the last, smaller batch of an epoch
  machine.run(0.05);
  require(machine.with_team > 0.04, "the same choice for a similar step");
  machine.step *= 10;
  machine.stretch();
  require(!machine.last_was_team, "first one thread");
  machine.run(1);
  machine.most = 3;
  machine.stretch();
  require(!machine.last_was_team, "first one thread");
}

void a_stretch_without_work_says_nothing() {
  Machine machine;
  machine.team = [](double) { return 0.5; };
  machine.run(1);
  const Pace::Stretch next = machine.pace.next(2, machine.operations(), Time(Seconds(machine.now)));
  machine.pace.record(next, 0, 1.0, Time(Seconds(machine.now + 1)));
  machine.now += 1;
  machine.run(0.1);
  require(machine.with_team > 0.08, "the team goes on");
}

void a_pause_forgets_what_was_measured() {
  Machine machine;
  machine.step = 2e-3;  // the team is the first choice
  machine.team = [](double) { return 5.0; };
  machine.run(0.9);
  require(machine.with_team < 0.2 * 0.9, "alone while the team costs more");
  while (!machine.last_was_team) machine.stretch();
  while (machine.last_was_team) machine.stretch();
  machine.stretch();
  require(!machine.last_was_team, "alone after a trial");
  machine.now += 0.06;
  machine.stretch();
  require(machine.last_was_team, "the first choice after a pause");
}

}  // namespace

int main() {
  the_cheaper_choice_is_made();
  a_team_is_back_within_100_ms();
  a_team_that_begins_to_lose_is_left();
  after_a_short_disturbance_the_team_is_soon_back();
  one_thread_is_seldom_tried_where_the_team_pays();
  contended_processors_cost_little();
  few_trials_where_the_leader_loses_its_processor();
  other_steps_are_judged_anew();
  a_stretch_without_work_says_nothing();
  a_pause_forgets_what_was_measured();
  std::puts("done");
}
