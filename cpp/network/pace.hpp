// Whether a team or one thread alone gets on faster just now.
//
// A team waits at its barriers for its slowest member. Where other processes want the same processors that costs more
// than the team gains, and nothing but trying tells. Both are tried for a moment and the faster goes on; while the team
// is out of favour it is tried again from time to time. Results do not depend on the team, so neither do they on this.
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
    const bool known = team_ > 0 && alone_ > 0;
    if (known && team_ <= alone_) return {most, now, longest};
    const bool try_team = team_ == 0 || (known && now - team_tried_ > between_trials);
    const Seconds time = !known || try_team ? trial_time : between_trials;
    return {try_team ? most : 1, now, longest < time ? longest : time};
  }

  void record(const Stretch& stretch, int64 rows) {
    if (rows == 0) return;
    const Time now = Clock::now();
    const double each = Seconds(now - stretch.begin).count() / static_cast<double>(rows);
    if (stretch.threads == most_ && most_ > 1) {
      if (warm_) team_ = each;  // the first time, threads wake up and caches fill
      warm_ = true;
      team_tried_ = now;
    } else {
      alone_ = each;
    }
  }

  Pace() = default;

 private:
  explicit Pace(int most) : most_(most) {}
  static constexpr Seconds trial_time{1e-3}, between_trials{50e-3};
  int most_ = 1;
  bool warm_ = false;
  double team_ = 0, alone_ = 0;  // seconds a row; 0: not tried
  Time team_tried_{};
};

}  // namespace nablas
