#include "network/trainer.hpp"

#include <algorithm>
#include <cmath>

#include "network/dispatch.hpp"
#include "network/norms.hpp"
#include "network/phases.hpp"

namespace nablas {
namespace {

// Bytes of one block's inputs and activations (deltas not counted); larger batches are processed in several blocks.
constexpr double block_bytes = 64e6;
// Multiply-adds of a pass of a block: it ends within a second, as a call is interrupted between blocks only.
constexpr double block_operations = 2e10;

// Parameters whose squared gradients one thread sums: fixed, so that the norm does not depend on the threads.
constexpr int64 squares_grain = 4096;

// Trainers may live for a few steps, so the calling thread remembers what pays.
Pace& pace_of_thread() {
  static thread_local Pace pace;
  return pace;
}

// run(stretch, effort) on the number of threads that pays at present, up to `most`; it returns the multiply-adds that
// it did. `step`: those of a step. Returns the time.
template <class Run>
Pace::Time with_pace(int most, double step, Pace::Time now, Run run) {
  Pace& pace = pace_of_thread();
  const Pace::Stretch stretch = pace.next(most, step, now);
  Effort effort;
  const double begin = thread_seconds();
  const double operations = run(stretch, effort);
  const double seconds = thread_seconds() - begin + effort.asleep;
  now = Pace::Clock::now();
  pace.record(stretch, operations, seconds, now);
  return now;
}

template <class T>
int64 rows_of_block(const Network<T>& network, const Samples<T>& data, int64 batch) {
  double width = data.sparse != nullptr ? 0 : network.inputs();
  for (const Layer& layer : network.layers) width += layer.outputs;
  const auto whole_groups = [](double rows) { return static_cast<int64>(rows) / loss_rows * loss_rows; };
  const int64 fitting = std::max(whole_groups(block_bytes / (sizeof(T) * (width + 1))), 8 * loss_rows);
  const int64 quick = std::max(whole_groups(block_operations / (3 * data.operations(network))), loss_rows);
  return std::max<int64>(1, std::min({batch, fitting, quick}));
}

}  // namespace

template <class T>
Trainer<T>::Trainer(Network<T>& network, OptimizerSetting setting) : network_(network), setting_(setting) {
  const OptimizerEntry<T>& rule = any_kernels<T>().optimizers[setting.rule];
  for (int i = 0; i < max_optimizer_states && rule.states[i] != nullptr; ++i) {
    if (!rule.uses_state(i, setting_.hyperparameters)) continue;
    states_[i].reserve(network.parameter_count);
    states_[i].fill_zero();
  }
  gradient_.reserve(network.parameter_count);
  squares_.reserve((network.parameter_count + squares_grain - 1) / squares_grain);
}

template <class T>
double Trainer<T>::step_operations(int64 rows) const {
  return 3 * operations_ * static_cast<double>(std::min(rows, block_));
}

template <class T>
int Trainer<T>::threads(int64 rows) const {
  return std::min(threads_for(step_operations(rows), operations_per_phase), most_threads_);
}

template <class T>
void Trainer<T>::prepare(const Samples<T>& data, int64 batch, const Dropout& dropout, bool whole,
                         const Shards& shards) {
  pass_.use_network_order();  // entered still in a child that was forked during a slice
  batch_rows_ = 0;
  operations_ = whole ? network_.operations() : data.operations(network_);
  const int64 sum = shards.largest(batch);
  block_ = whole ? batch : std::min(rows_of_block(network_, data, sum), longest_sum);
  const int64 complete = sum / longest_sum;  // blocks of the sums over rows
  std::size_t levels = 0;
  while (int64{1} << levels < complete + 1) ++levels;
  if (partial_.size() < levels) partial_.resize(levels);
  for (std::size_t i = 0; i < levels; ++i) partial_[i].reserve(network_.parameter_count);
  std::size_t most = 0;
  for (int64 i = shards.own.begin, kept = 0; i + 1 < shards.own.end; ++i) {
    kept += 1 - shards.merges(i);
    most = std::max(most, static_cast<std::size_t>(kept));
  }
  if (shards_.size() < most) shards_.resize(most);
  for (std::size_t i = 0; i < most; ++i) shards_[i].reserve(network_.parameter_count);
  most_threads_ = num_threads();
  pass_.prepare(network_, data, Purpose::gradient, dropout, block_, most_threads_, whole);
}

// Several threads repay packing the parameters. A single one does with some instruction sets, unless the batch is so
// large that packing weights for each product costs little. The norm of a gradient is summed in the network's order,
// and sums of shards are exchanged in it. Very small batches stream the weights.
template <class T>
void Trainer<T>::prepare_epoch(const Samples<T>& data, int64 batch, const Dropout& dropout,
                               const Adjustment& adjustment, const Shards& shards) {
  constexpr int64 least_rows = 512, least_batch = 8, largest_alone = 512;
  prepare(data, batch, dropout, false, shards);
  PanelOrder<T> order;
  const bool several = threads(batch) > 1;
  if (data.x.rows >= least_rows && batch >= least_batch && adjustment.clip_norm == 0 && shards.all() &&
      (several || batch <= largest_alone))
    order.choose(network_, several, data.sparse != nullptr);
  if (order.any()) panels_.reserve(network_.parameter_count);
  if (!(order == order_)) unpack_states();
  order_ = order;
  parameters_changed();
}

template <class T>
void Trainer<T>::enter_panels() {
  if (!states_packed_) reorder_states(&PanelOrder<T>::pack);
  states_packed_ = true;
  if (packed_after_ != network_.updates) order_.pack(network_, network_.parameters.data(), panels_.data());
  pass_.use_panels(order_, panels_.data());
}

template <class T>
void Trainer<T>::unpack_states() {
  if (!states_packed_) return;
  reorder_states(&PanelOrder<T>::unpack);
  states_packed_ = false;
}

// Overwrites `panels_`.
template <class T>
void Trainer<T>::reorder_states(void (PanelOrder<T>::*reorder)(const Network<T>&, const T*, T*) const) {
  parameters_changed();
  for (Buffer<T>& state : states_) {
    if (state.size() == 0) continue;
    (order_.*reorder)(network_, state.data(), panels_.data());
    std::copy_n(panels_.data(), network_.parameter_count, state.data());
  }
}

template <class T>
void Trainer<T>::keep_block(const Team& team, int64 number) {
  const Range own = team.share(network_.parameter_count, element_grain);
  T* const sum = gradient_.data() + own.begin;
  int top = LongSum::sums_of(number);
  for (int64 done = number + 1; done % 2 == 0; done /= 2)
    kernels<T>().add_scaled(T(1), partial_[--top].data() + own.begin, sum, own.end - own.begin);
  std::copy_n(sum, own.end - own.begin, partial_[top].data() + own.begin);
}

template <class T>
void Trainer<T>::add_blocks(const Patch<T>& part, int64 number) {
  const int sums = LongSum::sums_of(number);
  add_sums(part, partial_, sums, sums);
}

template <class T>
void Trainer<T>::add_sums(const Patch<T>& part, std::vector<Buffer<T>>& sums, int top, int count) {
  for (; count > 0; --count) {
    const T* from = sums[--top].data() + part.begin;
    T* to = const_cast<T*>(part.gradient);  // of gradient_, or the pass's own
    for (int64 i = 0; i < part.rows; ++i, from += part.rs, to += part.gradient_rs)
      kernels<T>().add_scaled(T(1), from, to, part.columns);
  }
}

template <class T>
void Trainer<T>::finish_gradient(int64 rows) {
  const int64 complete = rows / longest_sum;
  int top = rows > 0 ? LongSum::sums_of(complete) : 0;
  if (rows > 0 && rows % longest_sum == 0)
    std::copy_n(partial_[--top].data(), network_.parameter_count, gradient_.data());
  while (top > 0) kernels<T>().add_scaled(T(1), partial_[--top].data(), gradient_.data(), network_.parameter_count);
}

template <class T>
void Trainer<T>::list_pass(const Objective& objective, const Dropout& dropout) {
  pass_.list_stages(network_, Purpose::gradient, objective.output(), dropout, phases_.stages);
}

template <class T>
void Trainer<T>::begin_pass(const Block<T>& block, const Objective& objective, T delta_scale, const Dropout& dropout,
                            int parts) {
  phases_.arguments = {block, objective.output(), dropout, objective, true, delta_scale};
  phases_.begin(pass_, network_, parts);
}

template <class T>
bool Trainer<T>::run_epoch(const Samples<T>& data, const Objective& objective, const Adjustment& adjustment,
                           int64 batch, const double* rates, const Dropout& dropout, double seconds, EpochState& state,
                           const Shards& shards) {
  const Pace::Time deadline = Pace::Clock::now() + Pace::Seconds(seconds);
  if (!order_.any()) return run_slice(data, objective, adjustment, batch, rates, dropout, deadline, state, shards);
  enter_panels();
  const bool ended = run_slice(data, objective, adjustment, batch, rates, dropout, deadline, state, shards);
  pass_.use_network_order();
  order_.unpack(network_, panels_.data(), network_.parameters.data());
  packed_after_ = network_.updates;
  return ended;
}

template <class T>
bool Trainer<T>::run_slice(const Samples<T>& data, const Objective& objective, const Adjustment& adjustment,
                           int64 batch, const double* rates, const Dropout& dropout, Pace::Time deadline,
                           EpochState& state, const Shards& shards) {
  const int most = threads(batch);
  EpochPhases phases(*this, data, objective, adjustment, batch, rates, dropout, state, shards);
  if (most == 1 || step_operations(batch) > Pace::operations_of_large_step) {
    phases.run(most, deadline);
    return phases.ended();
  }
  Pace::Time now = Pace::Clock::now();
  do {  // at least one block, also if no time is left
    now = with_pace(most, step_operations(batch), now, [&](const Pace::Stretch& stretch, Effort& effort) {
      const int64 row = state.next_row;
      effort = phases.run(stretch.threads, std::min(deadline, stretch.end));
      return 3 * operations_ * static_cast<double>(state.next_row - row);
    });
  } while (!phases.ended() && !state.waits && now < deadline);
  return phases.ended();
}

template <class T>
UpdateArguments<T> Trainer<T>::update_arguments(double rate) {
  UpdateArguments<T> arguments{pass_.reads_panels() ? panels_.data() : network_.parameters.data(),
                               {},
                               {setting_.hyperparameters, rate, steps_ + 1, scalar_, {}}};
  for (int i = 0; i < max_optimizer_states; ++i) arguments.states[i] = states_[i].data();
  kernels<T>().optimizers[setting_.rule].begin_step(arguments.step);
  scalar_ = arguments.step.scalar;
  return arguments;
}

template <class T>
void Trainer<T>::update_part(UpdateArguments<T>& arguments, const Layer& layer, Patch<T> part,
                             const Adjustment& adjustment, double penalty_scale) const {
  const auto update = kernels<T>().optimizers[setting_.rule].update;
  const bool differs = adjustment.l1 != 0 || adjustment.l2 != 0 || !adjustment.bias;
  if (differs && part.begin < layer.offset + layer.outputs) {  // the bias is not penalised
    arguments.l1 = arguments.l2 = 0;
    if (adjustment.bias) update(arguments, {part.begin, 1, part.columns, part.rs, part.gradient, part.gradient_rs});
    part.begin += part.rs;
    part.gradient += part.gradient_rs;
    --part.rows;
  }
  arguments.l1 = T(adjustment.l1 * penalty_scale);
  arguments.l2 = adjustment.clip_norm > 0 ? T(0) : T(adjustment.l2 * penalty_scale);  // else in the gradient already
  if (part.columns == part.rs && part.gradient_rs == part.rs) {
    part.columns *= part.rows;
    part.rows = 1;
  }
  update(arguments, part);
}

// run(threads), which returns its Effort, on the number of threads that pays for `rows` rows; it does `fraction` of a
// step's multiply-adds.
template <class T>
template <class Run>
void Trainer<T>::paced(int64 rows, double fraction, Run run) {
  const int most = threads(rows);
  const double step = step_operations(rows);
  if (most == 1 || step > Pace::operations_of_large_step) {
    run(most);
    return;
  }
  with_pace(most, step, Pace::Clock::now(), [&](const Pace::Stretch& stretch, Effort& effort) {
    effort = run(stretch.threads);
    return fraction * 3 * operations_ * static_cast<double>(rows);
  });
}

template <class T>
void Trainer<T>::add_gradient(const Samples<T>& data, const Objective& objective, Range rows, double scale,
                              LongSum& loss) {
  const int64 count = rows.end - rows.begin;
  list_pass(objective, {});
  paced(count, 1, [&](int threads) {
    const auto begin = [&](Range block) {
      begin_pass(pass_.block(network_, data, block), objective, T(scale), {}, threads);
    };
    const auto end = [&](int64 done) { loss.add(pass_.loss_sum(done), done); };
    GradientPhases phases(*this, rows, begin, end);
    return run_phases(threads, 1, phases);
  });
}

template <class T>
void Trainer<T>::add_penalty(double l2) {
  for (const Layer& layer : network_.layers) {
    const int64 weights = layer.offset + layer.outputs;
    kernels<T>().add_scaled(T(2 * l2), network_.parameters.data() + weights, gradient_.data() + weights,
                            layer.inputs * layer.outputs);
  }
}

template <class T>
const T* Trainer<T>::forward_batch(const Samples<T>& data, Range rows, Range part, const Dropout& dropout) {
  pass_.list_stages(network_, Purpose::outputs, Output::activation, dropout, phases_.stages);
  pass_.begin_at(part.begin);
  const Block<T> block = pass_.block(network_, data, {rows.begin + part.begin, rows.begin + part.end}, true);
  phases_.arguments = {block, Output::activation, dropout.from(part.begin), {}, false, T(0)};
  paced(part.end - part.begin, 1.0 / 3, [&](int threads) {
    phases_.begin(pass_, network_, threads);
    OnePass phases(phases_);
    return run_phases(threads, 1, phases);
  });
  batch_rows_ = part.end == rows.end - rows.begin ? part.end : 0;
  return pass_.output();
}

template <class T>
void Trainer<T>::backward_batch(const T* by_outputs, Range part, const Dropout& dropout) {
  pass_.list_backward_stages(network_, dropout, phases_.stages);
  paced(part.end - part.begin, 2.0 / 3, [&](int threads) {
    const auto begin = [&](Range block) {
      pass_.begin_at(block.begin);
      const Block<T> kept = pass_.kept_block(network_, block);
      phases_.arguments = {kept, Output::activation, dropout.from(block.begin), {}, true, T(0)};
      phases_.arguments.by_outputs = by_outputs + block.begin * network_.outputs();
      phases_.begin(pass_, network_, threads);
    };
    GradientPhases phases(*this, part, begin, [](int64) {});
    return run_phases(threads, 1, phases);
  });
}

template <class T>
void Trainer<T>::sum_squares(const Team& team, const Adjustment& adjustment, double penalty_scale) {
  const Range own = team.share(network_.parameter_count, squares_grain);
  T* const gradient = gradient_.data();
  for (const Layer& layer : network_.layers) {
    const int64 weights = layer.offset + layer.outputs, end = weights + layer.inputs * layer.outputs;
    if (!adjustment.bias)
      for (int64 i = std::max(own.begin, layer.offset); i < std::min(own.end, weights); ++i) gradient[i] = T(0);
    const int64 from = std::max(own.begin, weights), to = std::min(own.end, end);
    if (adjustment.l2 != 0 && from < to)
      kernels<T>().add_scaled(T(2 * adjustment.l2 * penalty_scale), network_.parameters.data() + from, gradient + from,
                              to - from);
  }
  for (int64 i = own.begin; i < own.end; i += squares_grain)
    squares_.data()[i / squares_grain] =
        kernels<T>().sum_of_squares(gradient + i, std::min(squares_grain, own.end - i));
}

template <class T>
void Trainer<T>::limit_norm(UpdateArguments<T>& arguments, double clip_norm) const {
  const int64 count = network_.parameter_count;
  double total = 0;
  for (int64 i = 0; i < (count + squares_grain - 1) / squares_grain; ++i) total += squares_.data()[i];
  const double norm = std::isfinite(total) ? std::sqrt(total) : norm_of_any_size(gradient_.data(), count);
  if (norm > clip_norm) arguments.gradient_scale = T(clip_norm / norm);
}

template <class T>
void Trainer<T>::update_all(const Team& team, UpdateArguments<T> arguments, const Adjustment& adjustment,
                            double penalty_scale) const {
  for (const Layer& layer : network_.layers) {
    const Range rows = team.share(layer.inputs + 1);
    const int64 n = layer.outputs, begin = layer.offset + rows.begin * n;
    if (rows.begin < rows.end)
      update_part(arguments, layer, {begin, rows.end - rows.begin, n, n, gradient_.data() + begin, n}, adjustment,
                  penalty_scale);
  }
}

template <class T>
void Trainer<T>::finish_batch(const Adjustment& adjustment, double rate, double loss, Range rows, EpochState& state) {
  state.waits = false;
  state.batch_loss = loss;
  state.finite = std::isfinite(loss);
  if (!state.finite) return;
  update(rate, adjustment, adjustment.by_batch ? state.inverse_weight() : 1);
  state.next_row = rows.end;
  state.end_batch(adjustment.by_batch, rows.end - rows.begin);
}

template <class T>
void Trainer<T>::update(double rate, const Adjustment& adjustment, double penalty_scale) {
  unpack_states();
  UpdateArguments<T> arguments = update_arguments(rate);
  const int threads = threads_for(static_cast<double>(network_.parameter_count), operations_per_wake_up);
  if (adjustment.clip_norm > 0) {
    parallel(threads, [&](const Team& team) { sum_squares(team, adjustment, penalty_scale); }, Use::network);
    limit_norm(arguments, adjustment.clip_norm);
  }
  parallel(threads, [&](const Team& team) { update_all(team, arguments, adjustment, penalty_scale); }, Use::network);
  ++steps_;
  ++network_.updates;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace nablas
