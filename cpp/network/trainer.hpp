// Training: the state kept between steps (gradient, optimizer states, progress of the epoch) and the epoch.
#pragma once

#include "base/long_sum.hpp"
#include "network/pace.hpp"
#include "network/pass.hpp"
#include "network/shards.hpp"

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
  // this, so that an epoch minimises the weighted mean over all rows, however the batches share the weights.
  double mean_weight = 0;
};

// Progress of one epoch. The mean loss is loss_sum.total() / count, without the penalty, which is the penalty of
// `Adjustment`; with `by_batch`, times penalties / count.
struct EpochState {
  int64 next_row = 0;  // position in the visiting order
  int64 step = 0;      // batches finished in this epoch
  LongSum loss_sum;    // of batches
  double penalties = 0, count = 0;
  // The current batch: its shard, -1 before the first; that shard's losses; the losses of this shard and of the
  // earlier ones merged with it; the sums of earlier shards that are still to be added up; the weight of all shards.
  int64 shard = -1;
  LongSum shard_loss;
  double batch_loss = 0;
  int kept = 0;
  double kept_losses[2 * most_shard_levels];
  double batch_weight = 0;
  bool waits = false;  // for the sums of shards that others compute, then for Trainer::finish_batch
  bool finite = true;  // false: a batch's loss was not finite; its update was not made

  double inverse_weight() const { return batch_weight > 0 ? 1 / batch_weight : 0.0; }
  // After a batch of `rows` rows.
  void end_batch(bool by_batch, int64 rows) {
    const double each = static_cast<double>(rows);
    loss_sum.add(by_batch ? batch_loss * inverse_weight() * each : batch_loss);
    penalties += inverse_weight() * each;
    count += by_batch ? each : batch_weight;
    ++step;
    shard = -1;
  }

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
  void prepare(const Samples<T>&, int64 batch, const Dropout&, bool whole = false, const Shards& = {});

  // The same for epochs. Weights are in panels during `run_epoch` where the epoch repays packing them.
  void prepare_epoch(const Samples<T>&, int64 batch, const Dropout&, const Adjustment&, const Shards&);

  // Runs batches of `batch` rows until the epoch ends, a loss is not finite, `seconds` have passed (at least one block)
  // or the state waits; returns true in the first two cases. `rates` (batches,): each batch's learning rate. Does not
  // allocate.
  bool run_epoch(const Samples<T>&, const Objective&, const Adjustment&, int64 batch, const double* rates,
                 const Dropout&, double seconds, EpochState& state, const Shards& = {});
  // The network's parameters are current after every `run_epoch`. Before the states are read or written,
  // unpack_states() brings them into the network's order; after others may have written parameters,
  // parameters_changed() is called.
  void unpack_states();
  void parameters_changed() { packed_after_ = -1; }

  // While `state` waits: the gradient of its i-th sum of own shards; the last is gradient().
  T* shard_sum(const EpochState& state, int i) { return i < state.kept ? shards_[i].data() : gradient(); }
  // Goes on once gradient() and `loss` are the sums over all shards: the update, and the end of the batch's rows.
  void finish_batch(const Adjustment&, double rate, double loss, Range rows, EpochState& state);

  // These rows' part of the loss's gradient, and their weighted losses, added to `loss`. `scale` is 1 / (sum of all
  // rows' weights). Consecutive calls take all rows from 0 on, then `finish_gradient` is called.
  void add_gradient(const Samples<T>&, const Objective&, Range rows, double scale, LongSum& loss);
  // gradient() is the sum over all rows.
  void finish_gradient(int64 rows);
  // gradient() += 2 l2 w, biases excluded.
  void add_penalty(double l2);

  // One step in several calls, for losses computed in Python, after `prepare` for the whole batch. First the forward
  // pass in training mode, which returns the outputs of a part of the batch's rows (rows of part, outputs); then the
  // gradient from the loss's derivative with respect to all outputs (rows, outputs), and finish_gradient(). Consecutive
  // calls of each take all rows from 0 on. Last the update.
  const T* forward_batch(const Samples<T>&, Range rows, Range part, const Dropout&);
  void backward_batch(const T* by_outputs, Range part, const Dropout&);
  void update(double rate, const Adjustment&, double penalty_scale = 1);

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
  bool packs_parameters() const { return order_.any(); }  // in each call of run_epoch, after prepare_epoch
  int64 batch_rows() const { return batch_rows_; }        // of the batch whose forward pass is complete

 private:
  class EpochPhases;
  template <class BeginPass, class EndPass>
  class GradientPhases;
  class OnePass;
  // Multiply-adds of a step of `rows` rows, and the threads for it: at most the number that `prepare` allocated for.
  double step_operations(int64 rows) const;
  int threads(int64 rows) const;
  template <class Run>
  void paced(int64 rows, double fraction, Run run);
  // The pass of one block, from the data to every delta: its stages, the same for all blocks, and its begin.
  void list_pass(const Objective&, const Dropout&);
  void begin_pass(const Block<T>&, const Objective&, T delta_scale, const Dropout&, int parts);
  // Arguments of the next update; advances the optimizer's scalar state.
  UpdateArguments<T> update_arguments(double rate);
  void enter_panels();
  void reorder_states(void (PanelOrder<T>::*reorder)(const Network<T>&, const T*, T*) const);
  bool run_slice(const Samples<T>&, const Objective&, const Adjustment&, int64 batch, const double* rates,
                 const Dropout&, Pace::Time deadline, EpochState&, const Shards&);
  // Updates a part of one layer's parameters; `penalty_scale` multiplies the penalties.
  void update_part(UpdateArguments<T>&, const Layer&, Patch<T>, const Adjustment&, double penalty_scale) const;

  // An update with a limit of the norm, in two phases. The first adds the l2 term to gradient_ and sums its squares;
  // limit_norm() then sets the update's scale; the second updates.
  void sum_squares(const Team&, const Adjustment&, double penalty_scale);
  void limit_norm(UpdateArguments<T>&, double clip_norm) const;
  void update_all(const Team&, UpdateArguments<T>, const Adjustment&, double penalty_scale) const;

  // Blocks of the sums over rows, kept in `partial_` as LongSum keeps its own. `number`: of the block that is in
  // gradient_, from 0.
  void keep_block(const Team&, int64 number);      // gradient_ to `partial_`, added where two sums are equal
  void add_blocks(const Patch<T>&, int64 number);  // those before `number`, to a part of the gradient
  // The last `count` of the first `top` sums, to a part of the gradient; from the last to the first.
  void add_sums(const Patch<T>&, std::vector<Buffer<T>>& sums, int top, int count);

  Network<T>& network_;
  OptimizerSetting setting_;
  Pass<T> pass_;
  PassPhases<T> phases_;
  PanelOrder<T> order_;
  Buffer<T> panels_;            // the parameters in that order, during run_epoch
  bool states_packed_ = false;  // whether the states are in that order
  int64 packed_after_ = -1;     // panels_ are the parameters after so many updates of the network
  int64 batch_rows_ = 0;
  Buffer<T> gradient_, states_[max_optimizer_states];
  Buffer<double> squares_;  // sums of squares_grain squares of gradient_
  std::vector<Buffer<T>> partial_;
  std::vector<Buffer<T>> shards_;  // sums of shards (EpochState::kept)
  int64 block_ = 0;
  double operations_ = 0;  // multiply-adds of one forward pass of one sample
  int most_threads_ = 1;
  int64 steps_ = 0;    // updates made
  double scalar_ = 1;  // the optimizer's scalar state
};

}  // namespace nablas
