// Whether a single call gets a team at present.
//
// The calling thread waits for a helper that has begun a part, and at the end of OpenMP's region for every thread of
// it. Where other processes use the processors, a helper can be without one for milliseconds, many times as long as a
// small call. So after a call that took longer than the calling thread alone would have, the next ones go without a
// team for as long that at most a share of the time in calls is lost. Results do not depend on it.
#pragma once

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
    if (loss < least_loss) return;
    alone_seconds_ = loss / share_of_losses;
    end_ = end + Seconds(longest_time);
  }

 private:
  static constexpr double least_loss = 0.3e-3;     // longer than a thread takes to wake up or to be made
  static constexpr double share_of_losses = 0.05;  // of the time in calls
  static constexpr double longest_time = 10;       // seconds until a team is tried again, with all pauses
  double alone_seconds_ = 0;
  Time end_{};
};

}  // namespace nablas
