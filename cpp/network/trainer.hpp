// Training: the state kept between steps (gradient, optimizer states, progress of the epoch) and the epoch.
#pragma once

#include "base/long_sum.hpp"
#include "network/pace.hpp"
#include "network/pass.hpp"

namespace nablas {

struct OptimizerSetting {
  int rule = 0;  // index into the optimizers
  double hyperparameters[max_hyperparameters] = {};
};

// What an update minimises and limits besides the loss.
struct Adjustment {
  double l1 = 0, l2 = 0;  // times the weights' magnitudes and squares; biases are not penalised
  double clip_norm = 0;   // largest Euclidean norm of a batch's gradient with the l2 term; 0: any
  bool bias = true;       // false: biases are not updated
  // As in scikit-learn: the penalties are divided by each batch's weight, and the epoch's loss is the mean of the batch
  // losses, weighted by their numbers of rows.
  bool by_batch = false;
  // Above 0: the mean weight of all rows. A batch's gradient is its rows' weighted sum, divided by their number and
  // this, so that an epoch goes down the weighted mean over all rows, however the batches share the weights.
  double mean_weight = 0;
};

// Progress of one epoch. The mean loss is loss_sum.total() / count, without the penalty, which is the penalty of
// `Adjustment`; with `by_batch`, times penalties / count.
struct EpochState {
  int64 next_row = 0;  // position in the visiting order
  int64 step = 0;      // batches finished in this epoch
  LongSum loss_sum;    // of batches
  double penalties = 0, count = 0;
  LongSum batch_loss;  // of the current batch
  double batch_weight = 0;
  bool finite = true;  // false: a batch's loss was not finite; its update was not made

  // Between two batches, after `steps` of them, as `numbers(steps)` numbers, from which the epoch goes on.
  static int numbers(int64 steps) { return 2 + LongSum::numbers(steps); }
  void write(double* to) const {
    to[0] = penalties, to[1] = count;
    loss_sum.write(to + 2);
  }
  void read(const double* from, int64 steps, int64 rows) {
    penalties = from[0], count = from[1];
    loss_sum.read(from + 2, steps);
    step = steps, next_row = rows;
  }
};

template <class T>
class Trainer {
 public:
  Trainer(Network<T>& network, OptimizerSetting setting);

  // Allocates for batches of up to `batch` rows of the data; large ones are processed in blocks unless `whole`.
  void prepare(const Samples<T>&, int64 batch, const Dropout&, bool whole = false);

  // Runs batches of `batch` rows until the epoch ends, a loss is not finite, or `seconds` have passed (at least one
  // block); returns false only in the last case. `rates` (batches,): each batch's learning rate. Does not allocate.
  bool run_epoch(const Samples<T>&, const Objective&, const Adjustment&, int64 batch, const double* rates,
                 const Dropout&, double seconds, EpochState& state);

  // Adds these rows' part of the loss's gradient to `gradient()`, or overwrites it if they begin at `origin`, and their
  // weighted losses to `loss`. `scale` is 1 / (sum of all rows' weights).
  void add_gradient(const Samples<T>&, const Objective&, Range rows, double scale, LongSum& loss, const Dropout& = {},
                    int64 origin = 0);
  // After `add_gradient` of all rows from `origin` on: gradient() is their sum.
  void finish_gradient(int64 rows);
  // gradient() += 2 l2 w, biases excluded.
  void add_penalty(double l2);

  // One step in three calls, for losses computed in Python: forward pass of one batch in training mode, returning the
  // outputs (rows, outputs); gradient from the loss's derivative with respect to the outputs; update.
  const T* forward_batch(const Samples<T>&, Range rows, const Dropout&);
  void backward_batch(const T* by_outputs, const Dropout&);
  void update(double rate, const Adjustment&);

  T* gradient() { return gradient_.data(); }
  T* state(int i) { return states_[i].data(); }
  bool has_state(int i) const { return states_[i].size() > 0; }
  int64 steps_done() const { return steps_; }
  double scalar() const { return scalar_; }
  // Goes on after `steps` updates that left this scalar state and what was copied to `state(i)`.
  void resume(int64 steps, double scalar) {
    steps_ = steps;
    scalar_ = scalar;
  }
  int64 batch_rows() const { return batch_.x.rows; }  // of the last forward_batch

 private:
  class EpochPhases;
  class GradientPhases;
  class BatchPhases;
  // Multiply-adds of a step of `rows` rows, and the threads for it: at most the number that `prepare` allocated for.
  double step_operations(int64 rows) const;
  int threads(int64 rows) const;
  template <class Run>
  void paced(int64 rows, double share, Run run);
  // The pass of one block, from the data to every delta.
  void begin_pass(const Block<T>&, const Objective&, T delta_scale, const Dropout&, int parts);
  void run_batch(bool gradient);  // the pass in `phases_`
  // Arguments of the next update; advances the optimizer's scalar state.
  UpdateArguments<T> update_arguments(double rate);
  // Updates a part of one layer's parameters; `share` multiplies the penalties.
  void update_part(UpdateArguments<T>&, const Layer&, Patch<T>, const Adjustment&, double share) const;

  // An update with a limit of the norm, in two phases. The first adds the l2 term to gradient_ and sums its squares;
  // limit_norm() then sets the update's scale; the second updates.
  void sum_squares(const Team&, const Adjustment&, double share);
  void limit_norm(UpdateArguments<T>&, double clip_norm) const;
  void update_all(const Team&, UpdateArguments<T>, const Adjustment&, double share) const;

  // Blocks of the sums over rows, kept in `partial_` as LongSum keeps its own. `number`: of the block that is in
  // gradient_, from 0.
  void keep_block(const Team&, int64 number);      // gradient_ to `partial_`, added where two sums are equal
  void add_blocks(const Patch<T>&, int64 number);  // those before `number`, to a part of gradient_

  Network<T>& network_;
  OptimizerSetting setting_;
  Pass<T> pass_;
  PassPhases<T> phases_;
  Pace pace_;
  Block<T> batch_{};  // of the last forward_batch
  Buffer<T> gradient_, states_[max_optimizer_states];
  Buffer<double> squares_;  // sums of squares_grain squares of gradient_
  std::vector<Buffer<T>> partial_;
  int64 block_ = 0;
  double operations_ = 0;  // multiply-adds of one forward pass of one sample
  int most_threads_ = 1;
  int64 steps_ = 0;    // updates made
  double scalar_ = 1;  // the optimizer's scalar state
};

// The sum of the rows' weights; without weights, their number.
template <class T>
double sum_of_weights(const Samples<T>&, Range rows);

// l1 Σ|W| + l2 ΣW² over the weights, biases excluded.
template <class T>
double penalty(const Network<T>&, double l1, double l2);

}  // namespace nablas
