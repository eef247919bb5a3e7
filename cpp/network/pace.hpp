// Whether a team or one thread alone gets on faster just now.
//
// A team waits at its barriers for its slowest member. Where other processes want the same processors, or two of them
// are halves of one core, that costs more than the team gains, and nothing but trying tells. So a team begins, and from
// time to time the other way is tried for a moment and the faster goes on. Results do not depend on the team, so
// neither do they on this.
#pragma once

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
    bool trial;
  };

  // `most`: the threads that the work would repay on a machine of one's own.
  Stretch next(int most, Seconds longest) {
    const Time now = Clock::now();
    if (most == 1) return {1, now, longest, false};
    if (most != most_) *this = Pace(most, now);
    const bool trial = now >= trial_at_ && team_.count() > 0 && team_ < longest_trial;
    const Seconds limit = trial ? trial_time : trial_at_ > now ? trial_at_ - now : longest;
    return {team_leads() == trial ? 1 : most, now, limit < longest ? limit : longest, trial};
  }

  void record(const Stretch& stretch, int64 steps) {
    if (steps == 0) return;
    const Time now = Clock::now();
    (stretch.threads == 1 ? alone_ : team_) = (now - stretch.begin) / static_cast<double>(steps);
    if (!stretch.trial) return;
    wait_ = team_leads() || wait_ < longest_wait_for_team ? 2 * wait_ : wait_;
    trial_at_ = now + wait_;
  }

  Pace() = default;

 private:
  Pace(int most, Time now) : most_(most), trial_at_(now + wait_) {}
  bool team_leads() const { return alone_.count() == 0 || team_ <= alone_; }

  // A step longer than longest_trial is not risked. Trials grow rarer, but a team out of favour is not forgotten.
  static constexpr Seconds first_wait{1e-3}, trial_time{0.25e-3}, longest_wait_for_team{50e-3}, longest_trial{2e-3};
  int most_ = 1;
  Seconds team_{0}, alone_{0};  // a step; 0: not tried
  Seconds wait_ = first_wait;
  Time trial_at_{};
};

}  // namespace nablas
