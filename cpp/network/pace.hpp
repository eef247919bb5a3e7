// Whether a team or one thread alone gets on faster just now.
//
// A team waits at its barriers for its slowest member. Where other processes want the same processors that costs more
// than the team gains, and nothing but trying tells. After some time one thread is tried for a moment and the faster
// goes on; while the team is out of favour it is tried again from time to time. Results do not depend on the team, so
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
  };

  // `most`: the threads that the work would repay on a machine of one's own.
  Stretch next(int most, Seconds longest) {
    const Time now = Clock::now();
    if (most == 1) return {1, now, longest};
    if (most != most_) *this = Pace(most);
    const auto at_most = [&](Seconds time) { return time < longest ? time : longest; };
    if (alone_.count() == 0) {
      if (team_ > longest_trial) return {most, now, longest};
      if (team_time_ < before_trial) return {most, now, at_most(before_trial)};
      return {1, now, at_most(trial_time)};
    }
    if (team_ <= alone_) return {most, now, longest};
    if (now - team_tried_ > between_trials) return {most, now, at_most(trial_time)};
    return {1, now, at_most(between_trials)};
  }

  void record(const Stretch& stretch, int64 steps) {
    if (steps == 0) return;
    const Time now = Clock::now();
    const Seconds time = now - stretch.begin, each = time / static_cast<double>(steps);
    if (stretch.threads == most_ && most_ > 1) {
      team_ = each;
      team_time_ += time;
      team_tried_ = now;
    } else {
      alone_ = each;
    }
  }

  Pace() = default;

 private:
  explicit Pace(int most) : most_(most) {}
  // A step longer than longest_trial is not risked.
  static constexpr Seconds before_trial{20e-3}, trial_time{0.5e-3}, between_trials{50e-3}, longest_trial{2e-3};
  int most_ = 1;
  Seconds team_{0}, alone_{0};  // a step; 0: not tried
  Seconds team_time_{0};        // in all
  Time team_tried_{};
};

}  // namespace nablas
