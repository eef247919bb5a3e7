// Training: the state that outlives a step (gradient, optimizer states, the place in the epoch) and the epoch itself.
#pragma once

#include "network/pace.hpp"
#include "network/pass.hpp"

namespace nablas {

struct Objective {
  int loss;     // index into the losses
  bool linked;  // the output's activation is the loss's own: loss and delta come from z
  double l2 = 0;
  // scikit-learn's way: the penalty is over each batch's weight, and the epoch's loss is the batches' by their rows.
  bool by_batch = false;
};

struct OptimizerSetting {
  int rule = 0;  // index into the optimizers
  double hyperparameters[max_hyperparameters] = {};
};

// What one epoch has done so far. Steps are counted from 0; the loss is `loss_sum` over `count`, without the penalty;
// `penalties` are the rows' shares of it with `by_batch`.
struct EpochState {
  int64 next_row = 0;  // of the visiting order
  int64 step = 0;      // batches finished in this epoch
  double loss_sum = 0, penalties = 0, count = 0;
  double batch_loss = 0, batch_weight = 0;  // of the batch under way
  bool finite = true;                       // false: a batch's loss was not finite and its update was not made
};

template <class T>
class Trainer {
 public:
  Trainer(Network<T>& network, OptimizerSetting setting);

  // Allocates for batches of up to `batch` rows; large ones are worked off in blocks unless `whole`.
  void prepare(int64 batch, bool dropout, bool whole = false);

  // Runs batches of `batch` rows until the epoch ends or `seconds` have passed (but at least one block), and
  // returns whether it ended. `rates` is the learning rate of each batch of the epoch. No allocation.
  bool run_epoch(const Data<T>&, const Objective&, int64 batch, const double* rates, const Dropout&, double seconds,
                 EpochState& state);

  // Adds the rows' share of the loss's gradient to `gradient()`, which the rows from `origin` on begin anew; returns
  // the sum of their weighted losses. `scale` is one over the weight of all rows.
  double add_gradient(const Data<T>&, const Objective&, Range rows, double scale, const Dropout& = {},
                      int64 origin = 0);
  // The gradient of the penalty.
  void add_penalty(double l2);

  // One step by hand, for losses that live in Python: forward over one batch in training mode, then the gradient
  // from the loss's derivative by the outputs, then the update.
  const T* forward_batch(const Data<T>&, Range rows, const Dropout&);
  void backward_batch(const T* by_outputs, const Dropout&);
  void update(double rate, double l2);

  T* gradient() { return gradient_.data(); }
  T* state(int i) { return states_[i].data(); }
  int64 steps_done() const { return steps_; }
  int64 batch_rows() const { return batch_.x.rows; }  // of the last forward_batch

 private:
  int threads(int64 rows) const;  // for steps of so many rows; at most as many as `prepare` made room for
  // Runs batches on so many threads until the epoch ends or the time is over.
  void run_stretch(int threads, const Data<T>&, const Objective&, int64 batch, const double* rates, const Dropout&,
                   Pace::Time deadline, EpochState&);
  // Losses and deltas of this thread's section, then, when all are there, the sum of the losses.
  double losses_and_deltas(const Team&, const Objective&, const Block<T>&, T delta_scale, const Dropout&);
  UpdateArguments<T> update_arguments(double rate, int64 steps_under_way);
  // Updates a part of one layer's parameters.
  void update_part(UpdateArguments<T>&, const Layer&, Patch<T>, double l2) const;

  Network<T>& network_;
  OptimizerSetting setting_;
  Pass<T> pass_;
  Pace pace_;
  Block<T> batch_{};  // of the last forward_batch
  Buffer<T> gradient_, states_[max_optimizer_states];
  int64 block_ = 0;
  int most_threads_ = 1;
  int64 steps_ = 0;  // updates made
};

// The outputs of some rows, (rows, outputs) from out on.
template <class T>
void infer(const Network<T>&, const Source& x, Range rows, T* out);

// losses[i / loss_rows] = the weighted losses of rows i to i + loss_rows; begins at a multiple of loss_rows.
template <class T>
void evaluate(const Network<T>&, const Data<T>&, const Objective&, Range rows, double* losses);

// The sum of the rows' weights, or their number.
template <class T>
double sum_of_weights(const Data<T>&, Range rows);

// The sum of the squared weights, biases excluded.
template <class T>
double squared_weights(const Network<T>&);

}  // namespace nablas
