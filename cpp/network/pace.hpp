// Chooses between a team and a single thread by timing both.
//
// A team waits at its barriers for its slowest thread. If other processes use the same processors, or if two processors
// share no cache, this can cost more than the team gains; only a measurement shows it. So training begins with a team,
// and at growing intervals the alternative is timed for a short trial and the faster of the two continues. Results do
// not depend on the team size, so they do not depend on this choice.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/types.hpp"

namespace nablas {

class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  using Time = std::chrono::time_point<Clock, Seconds>;
  struct Stretch {
    int threads;
    Time begin;
    Seconds longest;
  };

  // `most`: the team size that suits the amount of work (threads_for).
  Stretch next(int most, Seconds longest) {
    const Time now = Clock::now();
    if (most == 1) return {1, now, longest};
    if (most != most_) *this = Pace(most, now);
    const Seconds step = team_leads() ? team_ : alone_;
    const bool affordable = !team_leads() || step < longest_trial;
    if (phase_ == Phase::onward && now >= trial_at_ && step.count() > 0 && affordable) phase_ = Phase::warm_up;
    Seconds limit = longest;
    if (phase_ == Phase::warm_up) limit = Seconds(0);  // until the first reading of the clock
    if (phase_ == Phase::trial) limit = std::max(shortest_trial, step);
    if (phase_ == Phase::onward && trial_at_ > now) limit = trial_at_ - now;
    const bool team = team_leads() == (phase_ == Phase::onward);
    return {team ? most : 1, now, std::min(limit, longest)};
  }

  void record(const Stretch& stretch, int64 steps) {
    if (steps == 0) return;
    const Time now = Clock::now();
    const Seconds step = (now - stretch.begin) / static_cast<double>(steps);
    if (phase_ == Phase::warm_up) {  // not timed: threads wake up, data moves between cores
      phase_ = Phase::trial;
      return;
    }
    const bool first = team_.count() == 0;
    (stretch.threads == 1 ? alone_ : team_) = step;
    if (first) wait_ = std::max(first_wait, 20.0 * (most_ - 1) * step);  // a trial may cost 2 (most - 1) steps
    if (first) trial_at_ = stretch.begin + wait_;
    if (phase_ == Phase::onward) return;
    phase_ = Phase::onward;
    if (team_leads() || wait_ < longest_wait_for_team) wait_ *= 2;
    trial_at_ = now + (team_leads() ? wait_ : std::max(wait_, 20.0 * team_));  // the team's trials cost 5 % at most
  }

  Pace() = default;

 private:
  enum class Phase { onward, warm_up, trial };
  Pace(int most, Time now) : most_(most), trial_at_(now + first_wait) {}
  bool team_leads() const { return alone_.count() == 0 || team_ <= alone_; }

  // No trial of the single thread if the team's step takes longest_trial or more. The interval doubles with each trial;
  // while the single thread is faster, only up to longest_wait_for_team, so that the team is tried again.
  static constexpr Seconds first_wait{1e-3}, shortest_trial{0.1e-3}, longest_wait_for_team{50e-3}, longest_trial{2e-3};
  int most_ = 1;
  Phase phase_ = Phase::onward;
  Seconds team_{0}, alone_{0};  // per step; 0: not timed yet
  Seconds wait_{0};
  Time trial_at_{};
};

}  // namespace nablas
