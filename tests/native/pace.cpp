// The choice between a team and one thread, by a clock that the test sets.
#include "network/pace.hpp"

#include <cstdio>
#include <cstdlib>
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

Effort effort(double helped, double waited) { return {1000, 1000 - static_cast<int64>(1000 * helped), waited}; }

// A stretch of `seconds` in which helpers did the share `helped` of the parts and the leader waited for `waited` of the
// time. Returns the number of threads.
int stretch(Pace& pace, Time& now, double seconds, double helped, double waited) {
  const Pace::Stretch next = pace.next(2, now);
  const double length = next.threads == 1 ? Seconds(next.end - now).count() : seconds;
  require(length > 0 && length <= 0.08 + 1e-9, "a stretch ends");
  now += Seconds(length);
  pace.record(next, effort(helped, waited * length), now);
  return next.threads;
}

void a_team_that_pays_goes_on() {
  Pace pace;
  Time now{};
  for (int i = 0; i < 1000; ++i) require(stretch(pace, now, 2e-3, 0.5, 0.1) == 2, "a team that pays");
}

void short_losses_are_borne() {
  Pace pace;
  Time now{};
  for (int i = 0; i < 1000; ++i)
    require(stretch(pace, now, 1e-3, 0.5, i % 4 == 0 ? 0.9 : 0.1) == 2, "losses that gains outweigh");
}

void a_team_that_loses_stops_and_is_tried_again() {
  Pace pace;
  Time now{};
  double alone = 0, team = 0, before = 0;
  for (int i = 0; i < 200; ++i) {
    before = now.time_since_epoch().count();
    const bool single = stretch(pace, now, 2e-3, 0.1, 0.9) == 1;
    (single ? alone : team) += now.time_since_epoch().count() - before;
  }
  require(team < 0.05 * alone, "the share of time that trials take");
  require(team > 0, "trials go on");
}

void the_team_is_back_within_100_ms() {
  std::mt19937 random(3);
  for (int trial = 0; trial < 300; ++trial) {
    Pace pace;
    Time now{};
    for (int i = 0; i < 100; ++i)
      stretch(pace, now, 1e-5 * (1 + random() % 1000), 1e-3 * (random() % 600), 1e-3 * (random() % 1000));
    const Time quiet = now;
    while (stretch(pace, now, 2e-3, 0.5, 0.05) == 1) require((now - quiet).count() < 0.1, "back within 100 ms");
    for (int i = 0; i < 100; ++i) require(stretch(pace, now, 2e-3, 0.5, 0.05) == 2, "the team stays");
  }
}

void the_first_period_returns_after_a_team_that_pays() {
  Pace pace;
  Time now{};
  for (int i = 0; i < 50; ++i) stretch(pace, now, 2e-3, 0.0, 0.9);
  while (stretch(pace, now, 2e-3, 0.5, 0.0) == 1) {
  }
  for (int i = 0; i < 100; ++i) stretch(pace, now, 2e-3, 0.5, 0.0);
  Time before = now;
  while (stretch(pace, now, 2e-3, 0.0, 0.9) == 2) before = now;
  require((now - before).count() < 0.021, "20 ms alone, as at first");
}

void one_thread_is_not_judged() {
  Pace pace;
  Time now{};
  for (int i = 0; i < 100; ++i) {
    const Pace::Stretch next = pace.next(1, now);
    require(next.threads == 1, "one thread");
    now += Seconds(1e-3);
    pace.record(next, effort(0, 1), now);
  }
  require(pace.next(2, now).threads == 2, "a team");
}

}  // namespace

int main() {
  a_team_that_pays_goes_on();
  short_losses_are_borne();
  a_team_that_loses_stops_and_is_tried_again();
  the_team_is_back_within_100_ms();
  the_first_period_returns_after_a_team_that_pays();
  one_thread_is_not_judged();
  std::puts("done");
}
