// A trainer's work as phases (base/parallel.hpp): an epoch's steps, the gradient of many rows, one batch.
#pragma once

#include <algorithm>
#include <cmath>

#include "network/trainer.hpp"

namespace nablas {

// Multiply-adds between two readings of the clock; a reading costs as much as a few hundred of them.
constexpr double operations_between_readings = 1e5;

// The steps of an epoch. Each block of rows: its pass; the gradient, with the update if the block is its batch's last
// (with a limit of the norm: then the norm, then the update); and, where more blocks follow a complete block of the
// sums over rows, keeping that. A shard's gradient is complete with its last block, and then added to those of earlier
// shards.
template <class T>
class Trainer<T>::EpochPhases final : public Phases {
 public:
  EpochPhases(Trainer& trainer, const Samples<T>& data, const Objective& objective, const Adjustment& adjustment,
              int64 batch, const double* rates, const Dropout& dropout, EpochState& state, const Shards& shards)
      : trainer_(trainer),
        data_(data),
        objective_(objective),
        adjustment_(adjustment),
        batch_(batch),
        rates_(rates),
        dropout_(dropout),
        state_(state),
        shards_(shards),
        blocks_between_readings_(
            std::max<int64>(1, static_cast<int64>(3 * operations_between_readings / trainer.step_operations(batch)))) {}

  // Runs until the epoch ends, a loss is not finite, the state waits or the deadline has passed; at least one block.
  Effort run(int threads, Pace::Time deadline) {
    parts_ = threads;
    deadline_ = deadline;
    trainer_.list_pass(objective_, dropout_);
    if (!begin_block()) return {};
    return run_phases(threads, 1, *this);
  }
  bool ended() const { return !state_.finite || state_.step * batch_ >= data_.x.rows; }

  void part(const Team& team) noexcept override {
    switch (phase_) {
      case Phase::pass:
        return trainer_.phases_.part(team);
      case Phase::gradient:
        return gradient(team);
      case Phase::norm:
        return trainer_.sum_squares(team, adjustment_, penalty_scale());
      case Phase::update:
        return trainer_.update_all(team, update_, adjustment_, penalty_scale());
      case Phase::keep:
        return trainer_.keep_block(team, number_);
    }
  }

  bool advance() noexcept override {
    if (phase_ == Phase::pass) {
      if (trainer_.phases_.advance()) return true;
      return begin_gradient();
    }
    if (phase_ == Phase::gradient && updates_ && updates_apart()) {
      phase_ = clips() ? Phase::norm : Phase::update;
      return true;
    }
    if (phase_ == Phase::norm) {
      trainer_.limit_norm(update_, adjustment_.clip_norm);
      phase_ = Phase::update;
      return true;
    }
    if (phase_ != Phase::keep) {
      state_.next_row = range_.end;
      if (ends_shard_) end_shard();
      if (state_.waits) return false;
      if (!ends_shard_ && range_.end == sum_end_) {
        phase_ = Phase::keep;
        return true;
      }
    }
    if (ended() || (++blocks_ % blocks_between_readings_ == 0 && Pace::Clock::now() > deadline_)) return false;
    return begin_block();
  }

 private:
  enum class Phase { pass, gradient, norm, update, keep };

  bool clips() const { return adjustment_.clip_norm > 0; }
  bool empty() const { return range_.begin == range_.end; }
  // Whether the update has a phase of its own.
  bool updates_apart() const { return clips() || empty(); }
  // The factor of the penalties.
  double penalty_scale() const { return adjustment_.by_batch ? inverse_weight_ : 1; }

  // Returns false if a loss was not finite.
  bool begin_block() {
    phase_ = Phase::pass;
    const int64 begin = state_.step * batch_, end = std::min(begin + batch_, data_.x.rows);
    if (state_.shard < 0) begin_batch(begin, end);
    const int64 first = begin + shards_.begin(state_.shard, end - begin);
    const int64 shard_end = begin + shards_.begin(state_.shard + 1, end - begin);
    const int64 done = state_.next_row - first;
    number_ = done / longest_sum;
    sum_end_ = std::min(first + (number_ + 1) * longest_sum, shard_end);
    range_ = {state_.next_row, std::min(state_.next_row + trainer_.block_, sum_end_)};
    begins_shard_ = done == 0;
    continues_sum_ = done % longest_sum != 0;
    ends_shard_ = range_.end == shard_end;
    merges_ = ends_shard_ ? shards_.merges(state_.shard) : 0;
    updates_ = ends_shard_ && state_.shard + 1 == shards_.count() && shards_.all();
    inverse_weight_ = state_.inverse_weight();
    if (empty()) return begin_gradient();
    dropout_.first_row = range_.begin - begin;
    dropout_.step = trainer_.network_.updates;
    const double rows = static_cast<double>(end - begin);
    const double scale = adjustment_.mean_weight > 0 ? 1 / (rows * adjustment_.mean_weight) : inverse_weight_;
    trainer_.begin_pass(trainer_.pass_.block(trainer_.network_, data_, range_), objective_, T(scale), dropout_, parts_);
    return true;
  }

  bool begin_gradient() {
    add_losses();
    if (!state_.finite) return false;
    if (updates_) update_ = trainer_.update_arguments(rates_[state_.step]);
    phase_ = Phase::gradient;
    return true;
  }

  void begin_batch(int64 begin, int64 end) {
    state_.shard = shards_.own.begin;
    state_.next_row = begin + shards_.begin(state_.shard, end - begin);
    state_.kept = 0;
    state_.shard_loss.reset();
    state_.batch_weight = sum_of_weights(data_, {begin, end}, shards_);
  }

  // The losses of this block, to its shard's and at their end to those of earlier shards. Whether they are finite is
  // decided where all shards are known.
  void add_losses() {
    const int64 rows = range_.end - range_.begin;
    if (rows > 0) state_.shard_loss.add(trainer_.pass_.loss_sum(rows), rows);
    state_.batch_loss = state_.shard_loss.total();
    for (int i = 1; i <= merges_; ++i) state_.batch_loss += state_.kept_losses[state_.kept - i];
    state_.finite = std::isfinite(state_.batch_loss) || !shards_.all();
  }

  void gradient(const Team& team) {
    if (empty()) return empty_gradient(team);
    UpdateArguments<T> update = update_;
    T* const to = begins_shard_ && updates_ && !clips() ? nullptr : trainer_.gradient_.data();
    trainer_.pass_.gradient(team, trainer_.network_, trainer_.phases_.arguments.block, to, continues_sum_, dropout_,
                            [&](const Layer& layer, const Patch<T>& patch) {
                              if (!ends_shard_) return;
                              trainer_.add_blocks(patch, number_);
                              trainer_.add_sums(patch, trainer_.shards_, state_.kept, merges_);
                              if (updates_ && !clips())
                                trainer_.update_part(update, layer, patch, adjustment_, penalty_scale());
                            });
  }

  // A shard without rows.
  void empty_gradient(const Team& team) {
    const Range own = team.share(trainer_.network_.parameter_count, element_grain);
    T* const to = trainer_.gradient_.data() + own.begin;
    const int64 count = own.end - own.begin;
    std::fill_n(to, count, T(0));
    trainer_.add_sums({own.begin, 1, count, count, to, count}, trainer_.shards_, state_.kept, merges_);
  }

  void end_shard() {
    state_.kept -= merges_;
    if (updates_) {
      state_.end_batch(adjustment_.by_batch, range_.end - state_.step * batch_);
      ++trainer_.steps_;
      ++trainer_.network_.updates;
    } else if (state_.shard + 1 == shards_.own.end) {
      state_.kept_losses[state_.kept] = state_.batch_loss;
      state_.waits = true;
    } else {
      state_.kept_losses[state_.kept] = state_.batch_loss;
      std::swap(trainer_.shards_[state_.kept], trainer_.gradient_);
      ++state_.kept;
      ++state_.shard;
      state_.shard_loss.reset();
    }
  }

  Trainer& trainer_;
  const Samples<T>& data_;
  const Objective& objective_;
  const Adjustment& adjustment_;
  const int64 batch_;
  const double* const rates_;
  Dropout dropout_;
  EpochState& state_;
  const Shards& shards_;
  const int64 blocks_between_readings_;
  int parts_ = 1;
  Pace::Time deadline_{};
  int64 blocks_ = 0;
  Phase phase_ = Phase::pass;
  // Of the present block:
  Range range_{};                   // its rows
  int64 sum_end_ = 0, number_ = 0;  // end and number of its block of sums
  int merges_ = 0;                  // of a shard's last block: how many earlier sums of shards are added
  bool begins_shard_ = false, ends_shard_ = false, continues_sum_ = false, updates_ = false;
  double inverse_weight_ = 0;  // 1 / (sum of the batch's weights)
  UpdateArguments<T> update_{};
};

// The gradient of some rows, block by block. begin_pass(rows) begins the pass of a block from `list_pass` on, or what
// is left of it; end_pass(rows done) follows it.
template <class T>
template <class BeginPass, class EndPass>
class Trainer<T>::GradientPhases final : public Phases {
 public:
  GradientPhases(Trainer& trainer, Range rows, BeginPass begin_pass, EndPass end_pass)
      : trainer_(trainer), rows_(rows), begin_pass_(begin_pass), end_pass_(end_pass) {
    begin_block(rows.begin);  // also without rows: their gradient is zero
  }

  void part(const Team& team) noexcept override {
    const PassArguments<T>& arguments = trainer_.phases_.arguments;
    switch (phase_) {
      case Phase::pass:
        return trainer_.phases_.part(team);
      case Phase::gradient:
        return trainer_.pass_.gradient(team, trainer_.network_, arguments.block, trainer_.gradient_.data(),
                                       block_.begin % longest_sum != 0, arguments.dropout,
                                       [](const Layer&, const Patch<T>&) {});
      case Phase::keep:
        return trainer_.keep_block(team, block_.begin / longest_sum);
    }
  }

  bool advance() noexcept override {
    if (phase_ == Phase::pass) {
      if (trainer_.phases_.advance()) return true;
      end_pass_(block_.end - block_.begin);
      phase_ = Phase::gradient;
      return true;
    }
    if (phase_ == Phase::gradient && block_.end == sum_end_) {
      phase_ = Phase::keep;
      return true;
    }
    if (block_.end == rows_.end) return false;
    begin_block(block_.end);
    return true;
  }

 private:
  enum class Phase { pass, gradient, keep };

  void begin_block(int64 at) {
    phase_ = Phase::pass;
    sum_end_ = (at / longest_sum + 1) * longest_sum;
    block_ = {at, std::min({at + trainer_.block_, rows_.end, sum_end_})};
    begin_pass_(block_);
  }

  Trainer& trainer_;
  const Range rows_;
  const BeginPass begin_pass_;
  const EndPass end_pass_;
  Phase phase_ = Phase::pass;
  Range block_{};      // the present one
  int64 sum_end_ = 0;  // of its block of sums
};

// A pass alone.
template <class T>
class Trainer<T>::OnePass final : public Phases {
 public:
  explicit OnePass(PassPhases<T>& pass) : pass_(pass) {}
  void part(const Team& team) noexcept override { pass_.part(team); }
  bool advance() noexcept override { return pass_.advance(); }

 private:
  PassPhases<T>& pass_;
};

}  // namespace nablas
