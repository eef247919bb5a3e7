// Whether a single call gets a team at present.
//
// The calling thread waits for a helper that has begun a part, and at the end of OpenMP's region for every thread of
// it. Where other processes use the processors, a helper can be without one for milliseconds, many times as long as a
// small call. So after a call that took longer than the calling thread alone would have, the next ones go without a
// team for a multiple of the time lost: first_times, twice that after each further loss that the team had not saved
// before, at most most_times. Beyond what the team saved, about 1 / most_times of the time in calls is lost at
// most, and a single loss has no long effect. Losses below least_loss are not counted. Results do not depend on it.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/parallel.hpp"

namespace nablas {

class CallPace {
 public:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  using Time = std::chrono::time_point<Clock, Seconds>;

  bool alone(Time now) const { return alone_seconds_ > 0 && now < end_; }

  void record_alone(Time begin, Time end) { alone_seconds_ -= Seconds(end - begin).count(); }

  // A call with a team.
  void record_team(const Effort& effort, Time begin, Time end) {
    if (effort.own == 0) return;
    const double total = Seconds(end - begin).count(), worked = total - effort.asleep - effort.late;
    const double loss = total - worked * static_cast<double>(effort.parts) / static_cast<double>(effort.own);
    if (loss < least_loss) {
      saved_ -= loss;
      if (saved_ > loss_) times_ = first_times;
      return;
    }
    alone_seconds_ = loss * times_;
    end_ = end + Seconds(longest_time);
    times_ = std::min(2 * times_, most_times);
    loss_ = loss;
    saved_ = 0;
  }

 private:
  static constexpr double least_loss = 0.3e-3;  // longer than a thread takes to wake up or to be made
  static constexpr double first_times = 1, most_times = 20;
  static constexpr double longest_time = 10;  // seconds until a team is tried again, with all pauses
  double alone_seconds_ = 0;                  // in calls, until a team is tried again
  Time end_{};                                // or at this time
  double times_ = first_times;
  double loss_ = 0, saved_ = 0;  // seconds: the last loss, and what the team has saved since
};

}  // namespace nablas
