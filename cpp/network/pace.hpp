// Chooses between a team and a single thread by what a multiply-add costs with either.
//
// Which is faster depends on the machine (how long data take from one processor to another) and on what else runs on
// it. So both are measured: steps are done by the present choice, and now and then for a short time, a trial, by the
// other one; the choice is what costs less. Results do not depend on it.
//
// The cost is the time in which the calling thread computes or sleeps for want of a part. The time in which it has no
// processor is not counted, since it would lose it with either; but it shows that the processors are contended, and a
// helper that loses its processor in the middle of a part holds up the team. Then a team is tried rarely.
#pragma once

#include <algorithm>
#include <chrono>

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

  // Multiply-adds of a step from which a team always pays: its parts take longer than a thread is without a processor.
  static constexpr double operations_of_large_step = 5e8;

  // Multiply-adds of a step from which the team is the first choice: parts much longer than a thread's wake-up.
  static constexpr double operations_of_first_team = 2e7;

  // For steps of `operations` multiply-adds, for which a team of `most` (2 or more) suits the amount of work. The
  // stretch may end before its end, and lasts for at least one step.
  Stretch next(int most, double operations, Time now) {
    const bool other_work = most != most_ || operations > 2 * operations_ || operations < operations_ / 2;
    if (other_work || now > last_ + longest_pause) begin(most, operations, now);
    if (stage_ == Stage::choice && cost_[team_] > 0 && now >= trial_at_) {
      const bool contended = now < off_processor_ + calm_time && now < trial_at_ + longest_delay;
      if (team_ || !contended) enter(Stage::warm_up, now);
    }
    if (stage_ == Stage::choice && now >= stage_end_) stage_end_ = now + longest_stretch;
    return {(stage_ == Stage::choice ? team_ : !team_) ? most : 1, now, stage_end_};
  }

  // `operations` multiply-adds were done in a stretch, and cost `seconds`.
  void record(const Stretch& stretch, double operations, double seconds, Time now) {
    last_ = now;
    if (operations <= 0) return;
    if (Seconds(now - stretch.begin) > Seconds(seconds) + least_off_processor) off_processor_ = now;
    if (stage_ == Stage::choice) {
      judge_choice(operations, seconds);
      return;
    }
    trial_operations_ += operations;
    trial_seconds_ += seconds;
    trial_loss_ += seconds - operations * cost_[team_];
    if (now < stage_end_) return;
    if (stage_ == Stage::warm_up)
      enter(Stage::trial, now);
    else
      end_trial(now);
  }

 private:
  // Warm-up: of the other choice, not measured, in which threads wake up and data come into their caches.
  enum class Stage { choice, warm_up, trial };

  static constexpr Seconds longest_stretch{2e-3}, trial_time{0.3e-3};
  static constexpr Seconds memory{20e-3};  // over which the cost of the choice is averaged
  // Between two trials: so long that trials lose at most a share of the time, within bounds. Of one thread:
  // share_of_alone, and losing_period once the team costs more than the thread did. Of a team: share_of_team, or
  // most_loss if that takes longer than longest_alone. After a team that was the choice for at least `lasting`:
  // first_share, and half of it after each trial that fails, since what held it up is often over in milliseconds.
  static constexpr double share_of_alone = 0.005, share_of_team = 0.02, first_share = 0.5, most_loss = 0.1;
  static constexpr Seconds shortest_period{20e-3}, longest_alone{80e-3}, longest_team{10}, losing_period{4e-3};
  static constexpr Seconds lasting{0.5};
  // A loss of the processor; the time without one after which the processors are not contended; the longest time for
  // which contention delays a trial.
  static constexpr Seconds least_off_processor{0.2e-3}, calm_time{40e-3}, longest_delay{1};

  // Without work for longer, what was measured is forgotten: other processes may have come or gone.
  static constexpr Seconds longest_pause{50e-3};

  void begin(int most, double operations, Time now) {
    *this = Pace();
    most_ = most;
    operations_ = operations;
    team_ = operations >= operations_of_first_team;
    last_ = team_since_ = now;
    enter(Stage::choice, now);
    stage_end_ = now + trial_time;
    trial_at_ = now;
  }

  void enter(Stage stage, Time now) {
    stage_ = stage;
    trial_operations_ = trial_seconds_ = 0;
    stage_end_ = now + (stage == Stage::choice ? longest_stretch : trial_time);
  }

  void judge_choice(double operations, double seconds) {
    double& own = cost_[team_];
    const double other = cost_[!team_], each = seconds / operations;
    own = own == 0 ? each : own + std::min(1.0, seconds / memory.count()) * (each - own);
    if (other == 0) return;
    lost_ = std::max(0.0, lost_ + seconds - operations * other);
    if (own > other) trial_at_ = std::min(trial_at_, last_trial_ + (team_ ? losing_period : shortest_period));
  }

  void end_trial(Time now) {
    const double cost = trial_seconds_ / trial_operations_;
    const bool lasted = team_ && now > team_since_ + lasting, changes = cost < cost_[team_];
    double loss = trial_loss_;
    cost_[!team_] = cost;
    if (team_ == changes)  // the team is left, or its trial failed
      share_ = lasted ? first_share : std::max(share_ / 2, share_of_team);
    if (changes) {
      loss = std::max(-loss, team_ ? lost_ : 0.0);  // trials of what was the choice until now
      team_ = !team_;
      team_since_ = now;
      lost_ = 0;
    }
    trial_loss_ = 0;
    last_trial_ = now;
    trial_at_ = now + (team_ ? std::clamp(Seconds(loss / share_of_alone), shortest_period, longest_team) : alone(loss));
    enter(Stage::choice, now);
  }

  // Until the next trial of a team, where a trial loses so many seconds.
  Seconds alone(double loss) const {
    const Seconds shortest = share_ > share_of_team ? losing_period : shortest_period;
    return std::clamp(Seconds(loss / share_), shortest, std::max(longest_alone, Seconds(loss / most_loss)));
  }

  int most_ = 0;
  double operations_ = 0;         // of a step
  bool team_ = false;             // the present choice
  double cost_[2] = {};           // seconds of a multiply-add alone and with the team; 0: not measured
  double share_ = share_of_team;  // of the time, that trials of a team may lose
  double lost_ = 0;               // seconds, by the choice of the team, over what the work would have cost alone
  Stage stage_ = Stage::choice;
  double trial_operations_ = 0, trial_seconds_ = 0;
  double trial_loss_ = 0;  // seconds, with the warm-up, over what the work would have cost by the choice
  Time stage_end_{}, trial_at_{}, last_trial_{}, last_{}, team_since_{}, off_processor_{Seconds(-1)};
};

}  // namespace nablas
