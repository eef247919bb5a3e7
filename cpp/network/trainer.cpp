#include "network/trainer.hpp"

#include <algorithm>
#include <cmath>

#include "network/dispatch.hpp"

namespace nablas {
namespace {

// Bytes of one block's inputs and activations (deltas not counted); larger batches are processed in several blocks.
constexpr double block_bytes = 64e6;

// Multiply-adds between two readings of the clock; a reading costs as much as a few hundred of them.
constexpr double operations_between_looks = 1e5;

template <class T>
int64 rows_of_block(const Network<T>& network, int64 batch) {
  double width = network.inputs();
  for (const Layer& layer : network.layers) width += layer.outputs;
  const int64 fitting = static_cast<int64>(block_bytes / (sizeof(T) * (width + 1))) / loss_rows * loss_rows;
  return std::max<int64>(1, std::min(batch, std::max<int64>(fitting, 8 * loss_rows)));
}

}  // namespace

template <class T>
double sum_of_weights(const Samples<T>& data, Range rows) {
  if (data.weights == nullptr) return static_cast<double>(rows.end - rows.begin);
  LongSum sum;
  for (int64 i = rows.begin; i < rows.end; ++i) sum.add(data.weights[data.row(i)]);
  return sum.total();
}

template <class T>
Trainer<T>::Trainer(Network<T>& network, OptimizerSetting setting) : network_(network), setting_(setting) {
  const OptimizerEntry<T>& rule = any_kernels<T>().optimizers[setting.rule];
  for (int i = 0; i < max_optimizer_states && rule.states[i] != nullptr; ++i) {
    if (!rule.uses_state(i, setting_.hyperparameters)) continue;
    states_[i].reserve(network.parameter_count);
    states_[i].fill_zero();
  }
  gradient_.reserve(network.parameter_count);
}

template <class T>
int Trainer<T>::threads(int64 rows) const {
  const double operations = 3 * network_.operations() * static_cast<double>(std::min(rows, block_));
  return std::min(threads_for(operations, operations_per_meeting), most_threads_);
}

template <class T>
void Trainer<T>::prepare(int64 batch, bool dropout, bool whole) {
  block_ = whole ? batch : std::min(rows_of_block(network_, batch), longest_sum);
  const int64 complete = whole ? 0 : batch / longest_sum;  // blocks of the sums over rows
  std::size_t levels = 0;
  while (int64{1} << levels < complete + 1) ++levels;
  if (partial_.size() < levels) partial_.resize(levels);
  for (std::size_t i = 0; i < levels; ++i) partial_[i].reserve(network_.parameter_count);
  most_threads_ = num_threads();
  pass_.prepare(network_, Purpose::gradient, dropout, block_, most_threads_);
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
  for (int top = LongSum::sums_of(number) - 1; top >= 0; --top)
    for (int64 i = 0, at = part.begin; i < part.rows; ++i, at += part.rs)
      kernels<T>().add_scaled(T(1), partial_[top].data() + at, gradient_.data() + at, part.columns);
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
double Trainer<T>::losses_and_deltas(const Team& team, const Objective& objective, const Block<T>& block, T delta_scale,
                                     const Dropout& dropout) {
  const Section<T> section = pass_.section(team, network_, block.x.rows);
  pass_.gather(section, network_, block);
  pass_.forward(section, network_, block, objective.linked ? Output::preactivation : Output::activation, dropout);
  pass_.loss(section, network_, block, objective, true, delta_scale);
  pass_.deltas(section, network_, dropout);
  team.barrier();
  return pass_.loss_sum(block.x.rows);
}

template <class T>
bool Trainer<T>::run_epoch(const Samples<T>& data, const Objective& objective, int64 batch, const double* rates,
                           const Dropout& dropout, double seconds, EpochState& state) {
  const Pace::Time deadline = Pace::Clock::now() + Pace::Seconds(seconds);
  const int most = threads(batch);
  const auto ended = [&] { return !state.finite || state.next_row >= data.x.rows; };
  Pace::Seconds rest(seconds);
  do {
    const Pace::Stretch stretch = pace_.next(most, rest);
    const int64 first_row = state.next_row;
    run_stretch(stretch.threads, data, objective, batch, rates, dropout, stretch.begin + stretch.longest, state);
    if (most > 1) pace_.record(stretch, (state.next_row - first_row + batch - 1) / batch);
    rest = deadline - Pace::Clock::now();
  } while (!ended() && rest.count() > 0);
  return ended();
}

template <class T>
void Trainer<T>::run_stretch(int threads, const Samples<T>& data, const Objective& objective, int64 batch,
                             const double* rates, const Dropout& all_dropout, Pace::Time deadline,
                             EpochState& shared_state) {
  const int64 rows = data.x.rows;
  const double operations = network_.operations() * static_cast<double>(std::min(batch, block_));
  const int64 blocks_between_looks = std::max<int64>(1, static_cast<int64>(operations_between_looks / operations));
  // Written by rank 0 between two barriers, read by all after the second.
  bool out_of_time = false;
  EpochState result;
  double last_scalar = scalar_;
  parallel(threads, [&](const Team& team) {
    // Each thread keeps its own EpochState, computed from identical values.
    EpochState state = shared_state;
    double scalar = scalar_;
    Dropout dropout = all_dropout;
    for (int64 blocks = 1; state.next_row < rows; ++blocks) {
      const int64 batch_begin = state.step * batch, batch_end = std::min(batch_begin + batch, rows);
      const int64 done = state.next_row - batch_begin, number = done / longest_sum;
      const int64 sum_end = std::min(batch_begin + (number + 1) * longest_sum, batch_end);
      const Range range{state.next_row, std::min(state.next_row + block_, sum_end)};
      const bool first = range.begin == batch_begin, last = range.end == batch_end;
      const Block<T> block = pass_.block(network_, data, range);
      if (first) {
        state.batch_loss.reset();
        state.batch_weight = sum_of_weights(data, {batch_begin, batch_end});
      }
      dropout.first_row = range.begin - batch_begin;
      dropout.step = network_.updates + state.step - shared_state.step;
      const double share = state.batch_weight > 0 ? 1 / state.batch_weight : 0.0;
      const double l2 = objective.by_batch ? objective.l2 * share : objective.l2;
      state.batch_loss.add(losses_and_deltas(team, objective, block, T(share), dropout), range.end - range.begin);
      state.finite = std::isfinite(state.batch_loss.total());
      if (!state.finite) break;
      if (team.rank == 0 && blocks % blocks_between_looks == 0) out_of_time = Pace::Clock::now() > deadline;
      UpdateArguments<T> update{};
      if (last) update = update_arguments(rates[state.step], state.step - shared_state.step, scalar);
      pass_.gradient(team, network_, block, first && last ? nullptr : gradient_.data(), done % longest_sum != 0,
                     dropout, [&](const Layer& layer, const Patch<T>& part) {
                       if (!last) return;
                       add_blocks(part, number);
                       update_part(update, layer, part, l2);
                     });
      state.next_row = range.end;
      if (last) {
        const double each = static_cast<double>(batch_end - batch_begin);
        const double batch_loss = state.batch_loss.total();
        state.loss_sum.add(objective.by_batch ? batch_loss * share * each : batch_loss);
        state.penalties += share * each;
        state.count += objective.by_batch ? each : state.batch_weight;
        ++state.step;
      }
      team.barrier();
      if (!last && range.end == sum_end) keep_block(team, number);
      if (out_of_time) break;
    }
    if (team.rank == 0) result = state, last_scalar = scalar;
  });
  scalar_ = last_scalar;
  steps_ += result.step - shared_state.step;
  network_.updates += result.step - shared_state.step;
  shared_state = result;
}

template <class T>
UpdateArguments<T> Trainer<T>::update_arguments(double rate, int64 steps_under_way, double& scalar) {
  const int64 number = steps_ + steps_under_way + 1;
  UpdateArguments<T> arguments{
      network_.parameters.data(), {}, {setting_.hyperparameters, rate, number, scalar, {}}, T(0)};
  for (int i = 0; i < max_optimizer_states; ++i) arguments.states[i] = states_[i].data();
  kernels<T>().optimizers[setting_.rule].begin_step(arguments.step);
  scalar = arguments.step.scalar;
  return arguments;
}

template <class T>
void Trainer<T>::update_part(UpdateArguments<T>& arguments, const Layer& layer, Patch<T> part, double l2) const {
  const auto update = kernels<T>().optimizers[setting_.rule].update;
  if (l2 != 0 && part.begin < layer.offset + layer.outputs) {  // the bias is not penalized
    arguments.l2 = 0;
    update(arguments, {part.begin, 1, part.columns, part.rs, part.gradient, part.gradient_rs});
    part.begin += part.rs;
    part.gradient += part.gradient_rs;
    --part.rows;
  }
  arguments.l2 = T(l2);
  if (part.columns == part.rs && part.gradient_rs == part.rs) {
    part.columns *= part.rows;
    part.rows = 1;
  }
  update(arguments, part);
}

template <class T>
void Trainer<T>::add_gradient(const Samples<T>& data, const Objective& objective, Range rows, double scale,
                              LongSum& loss, const Dropout& all_dropout, int64 origin) {
  const Pace::Stretch stretch = pace_.next(threads(rows.end - rows.begin), Pace::Seconds(0));
  parallel(stretch.threads, [&](const Team& team) {
    int64 at = rows.begin;
    Dropout dropout = all_dropout;
    do {  // at least once: the gradient of no rows is zero
      const int64 done = at - origin, number = done / longest_sum, sum_end = origin + (number + 1) * longest_sum;
      dropout.first_row = done;
      const Block<T> block = pass_.block(network_, data, {at, std::min({at + block_, rows.end, sum_end})});
      const double block_loss = losses_and_deltas(team, objective, block, T(scale), dropout);
      if (team.rank == 0) loss.add(block_loss, block.x.rows);
      pass_.gradient(team, network_, block, gradient_.data(), done % longest_sum != 0, dropout,
                     [](const Layer&, const Patch<T>&) {});
      team.barrier();
      at = block.rows.end;
      if (at == sum_end) keep_block(team, number);
    } while (at < rows.end);
  });
  pace_.record(stretch, 1);
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
const T* Trainer<T>::forward_batch(const Samples<T>& data, Range rows, const Dropout& dropout) {
  batch_ = pass_.block(network_, data, rows, true);
  parallel(threads(batch_.x.rows), [&](const Team& team) {
    const Section<T> section = pass_.section(team, network_, batch_.x.rows);
    pass_.gather(section, network_, batch_);
    pass_.forward(section, network_, batch_, Output::activation, dropout);
  });
  return pass_.output();
}

template <class T>
void Trainer<T>::backward_batch(const T* by_outputs, const Dropout& dropout) {
  parallel(threads(batch_.x.rows), [&](const Team& team) {
    const Section<T> section = pass_.section(team, network_, batch_.x.rows);
    pass_.output_slope(section, network_, by_outputs);
    pass_.deltas(section, network_, dropout);
    team.barrier();
    pass_.gradient(team, network_, batch_, gradient_.data(), false, dropout, [](const Layer&, const Patch<T>&) {});
  });
}

template <class T>
void Trainer<T>::update(double rate, double l2) {
  const UpdateArguments<T> shared = update_arguments(rate, 0, scalar_);
  parallel(threads_for(static_cast<double>(network_.parameter_count)), [&](const Team& team) {
    UpdateArguments<T> arguments = shared;
    for (const Layer& layer : network_.layers) {
      const Range rows = team.share(layer.inputs + 1);
      const int64 n = layer.outputs, begin = layer.offset + rows.begin * n;
      if (rows.begin < rows.end)
        update_part(arguments, layer, {begin, rows.end - rows.begin, n, n, gradient_.data() + begin, n}, l2);
    }
  });
  ++steps_;
  ++network_.updates;
}

template <class T>
double squared_weights(const Network<T>& network) {
  double total = 0;
  for (const Layer& layer : network.layers)
    total += kernels<T>().sum_of_squares(network.parameters.data() + layer.offset + layer.outputs,
                                         layer.inputs * layer.outputs);
  return total;
}

template class Trainer<float>;
template class Trainer<double>;
template double sum_of_weights(const Samples<float>&, Range);
template double sum_of_weights(const Samples<double>&, Range);
template double squared_weights(const Network<float>&);
template double squared_weights(const Network<double>&);

}  // namespace nablas
