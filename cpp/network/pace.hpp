// Whether a team or one thread alone gets on faster just now.
//
// A team waits at its barriers for its slowest member. Where other processes want the same processors, or where two of
// them share no cache, that costs more than the team gains, and nothing but trying tells. So a team begins, and from
// time to time the other way is tried for a moment and the faster goes on. Results do not depend on the team, so
// neither do they on this.
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

  // `most`: the threads that the work would repay on a machine of one's own.
  Stretch next(int most, Seconds longest) {
    const Time now = Clock::now();
    if (most == 1) return {1, now, longest};
    if (most != most_) *this = Pace(most, now);
    const Seconds step = team_leads() ? team_ : alone_;
    if (phase_ == Phase::onward && now >= trial_at_ && step.count() > 0 && step < longest_trial)
      phase_ = Phase::warm_up;
    Seconds limit = longest;
    if (phase_ == Phase::warm_up) limit = Seconds(0);  // one step all the same
    if (phase_ == Phase::trial) limit = std::max(shortest_trial, step);
    if (phase_ == Phase::onward && trial_at_ > now) limit = trial_at_ - now;
    const bool team = team_leads() == (phase_ == Phase::onward);
    return {team ? most : 1, now, std::min(limit, longest)};
  }

  void record(const Stretch& stretch, int64 steps) {
    if (steps == 0) return;
    const Time now = Clock::now();
    const Seconds step = (now - stretch.begin) / static_cast<double>(steps);
    if (phase_ == Phase::warm_up) {  // threads waking, data moving between cores
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
    trial_at_ = now + wait_;
  }

  Pace() = default;

 private:
  enum class Phase { onward, warm_up, trial };
  Pace(int most, Time now) : most_(most), trial_at_(now + first_wait) {}
  bool team_leads() const { return alone_.count() == 0 || team_ <= alone_; }

  // A step longer than longest_trial is not risked. Trials grow rarer, but a team out of favour is not forgotten.
  static constexpr Seconds first_wait{1e-3}, shortest_trial{0.1e-3}, longest_wait_for_team{50e-3}, longest_trial{2e-3};
  int most_ = 1;
  Phase phase_ = Phase::onward;
  Seconds team_{0}, alone_{0};  // a step; 0: not tried
  Seconds wait_{0};
  Time trial_at_{};
};

}  // namespace nablas
