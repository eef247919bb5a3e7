// Chooses between a team and a single thread for small steps.
//
// A thread that loses its processor in the middle of a part holds up the others. Where other processes want the
// processors this can cost a small step more than the team gains. A team pays while the share of the parts done by its
// helpers is larger than the share of the time that its leader waits. Once it has lost `most_lost` seconds the leader
// works alone, for periods that grow while further trials fail. Results do not depend on this choice.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/parallel.hpp"

namespace nablas {

class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  using Time = std::chrono::time_point<Clock, Seconds>;
  struct Stretch {
    int threads;
    Time begin, end;
  };

  // Multiply-adds of a step from which a team always pays: there is time to take the parts of a thread that sleeps.
  static constexpr double operations_of_large_step = 2e7;

  // `most`: the threads that suit the amount of work.
  Stretch next(int most, Time now) {
    if (now >= alone_until_) return {most, now, now + longest_stretch};
    return {1, now, alone_until_};
  }

  // After a stretch, whose steps may have ended before or after stretch.end.
  void record(const Stretch& stretch, const Effort& effort, Time now) {
    if (stretch.threads == 1 || effort.parts == 0) return;
    const double seconds = Seconds(now - stretch.begin).count();
    const double helped = static_cast<double>(effort.parts - effort.own) / static_cast<double>(effort.parts);
    const double lost = effort.waited - helped * seconds;
    lost_ = std::max(0.0, lost_ + lost);
    paid_ = lost > 0 ? 0 : paid_ + seconds;
    if (paid_ > trusted_after) period_ = first_period;
    if (lost_ <= most_lost) return;
    lost_ = paid_ = 0;
    alone_until_ = now + period_;
    period_ = std::min(3 * period_, longest_period);
  }

 private:
  static constexpr Seconds longest_stretch{2e-3}, first_period{20e-3}, longest_period{80e-3};
  static constexpr double most_lost = 1e-3, trusted_after = 0.1;  // seconds
  double lost_ = 0, paid_ = 0;                                    // by the team, and since it last lost, seconds
  Seconds period_ = first_period;                                 // of the next time alone
  Time alone_until_{};
};

}  // namespace nablas
