#include "network/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "network/dispatch.hpp"

namespace nablas {
namespace {

// Activations and deltas of one block stay below this; larger batches are worked off in several blocks.
constexpr double block_bytes = 64e6;

using Clock = std::chrono::steady_clock;

template <class T>
int64 rows_of_block(const Network<T>& network, int64 batch) {
  double width = network.inputs();
  for (const Layer& layer : network.layers) width += layer.outputs;
  const int64 fitting = static_cast<int64>(block_bytes / (sizeof(T) * (width + 1))) / loss_rows * loss_rows;
  return std::max<int64>(1, std::min(batch, std::max<int64>(fitting, 8 * loss_rows)));
}

}  // namespace

template <class T>
double sum_of_weights(const Data<T>& data, Range rows) {
  if (data.weights == nullptr) return static_cast<double>(rows.end - rows.begin);
  double total = 0;
  for (int64 i = rows.begin; i < rows.end; ++i) total += data.weights[data.row(i)];
  return total;
}

template <class T>
Trainer<T>::Trainer(Network<T>& network, OptimizerSetting setting) : network_(network), setting_(setting) {
  const OptimizerEntry<T>& rule = any_kernels<T>().optimizers[setting.rule];
  for (int i = 0; i < max_optimizer_states && rule.states[i] != nullptr; ++i) {
    const bool needed = std::string(rule.states[i]) != "velocity" || [&] {
      for (int h = 0; h < max_hyperparameters && rule.hyperparameters[h].name != nullptr; ++h)
        if (std::string(rule.hyperparameters[h].name) == "momentum") return setting.hyperparameters[h] != 0;
      return true;
    }();
    if (!needed) continue;
    states_[i].reserve(network.parameter_count);
    states_[i].fill_zero();
  }
  gradient_.reserve(network.parameter_count);
}

template <class T>
int Trainer<T>::threads(double operations) const {
  return std::min(threads_for(operations), most_threads_);
}

template <class T>
void Trainer<T>::prepare(int64 batch, bool dropout, bool whole) {
  block_ = whole ? batch : rows_of_block(network_, batch);
  most_threads_ = num_threads();
  pass_.prepare(network_, Purpose::gradient, dropout, block_, most_threads_);
}

template <class T>
void Trainer<T>::block_gradient(const Team& team, const Objective& objective, T delta_scale, bool accumulate,
                                const Dropout* dropout) {
  pass_.forward(team, network_, objective.linked ? Output::preactivation : Output::activation, dropout);
  pass_.loss(team, network_, kernels<T>().losses[objective.loss], objective.linked, true, delta_scale);
  pass_.backward(team, network_, gradient_.data(), accumulate, dropout);
}

template <class T>
bool Trainer<T>::run_epoch(const Data<T>& data, const Objective& objective, int64 batch, const double* rates,
                           Dropout dropout, double seconds, EpochState& state) {
  const int64 rows = data.x.rows;
  const bool drops = dropout.any();
  const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
  bool out_of_time = false;
  dropout.step = network_.updates;
  // `state`, `dropout` and `out_of_time` are written by rank 0 alone, between two barriers in which nobody reads them.
  parallel(threads(step_operations(std::min(batch, block_))), [&](const Team& team) {
    while (state.next_row < rows) {
      const int64 batch_begin = state.step * batch, batch_end = std::min(batch_begin + batch, rows);
      const Range block{state.next_row, std::min(state.next_row + block_, batch_end)};
      const bool first = block.begin == batch_begin, last = block.end == batch_end;
      pass_.gather(team, network_, data, block);
      if (team.rank == 0) {
        if (first) {
          state.batch_loss = 0;
          state.batch_weight = sum_of_weights(data, {batch_begin, batch_end});
        }
        dropout.first_row = block.begin - batch_begin;
      }
      team.barrier();
      const T scale = state.batch_weight > 0 ? T(1 / state.batch_weight) : T(0);
      block_gradient(team, objective, scale, !first, drops ? &dropout : nullptr);
      team.barrier();
      if (team.rank == 0) {
        state.batch_loss += pass_.partial_loss();
        state.finite = std::isfinite(state.batch_loss);
        out_of_time = Clock::now() > deadline;
      }
      team.barrier();
      if (!state.finite) break;
      if (last) update_share(team, rates[state.step], objective.l2);
      team.barrier();
      if (team.rank == 0) {
        state.next_row = block.end;
        if (last) {
          state.loss_sum += state.batch_loss;
          state.weight_sum += state.batch_weight;
          ++state.step;
          ++steps_;
          dropout.step = ++network_.updates;
        }
      }
      team.barrier();
      if (out_of_time) break;
    }
  });
  return !state.finite || state.next_row >= rows;
}

template <class T>
void Trainer<T>::update_share(const Team& team, double rate, double l2) {
  const Kernels<T>& kernel = kernels<T>();
  UpdateArguments<T> arguments{network_.parameters.data(), gradient_.data(), {}, {}, rate, steps_ + 1, T(0)};
  for (int i = 0; i < max_optimizer_states; ++i) arguments.states[i] = states_[i].data();
  std::copy(std::begin(setting_.hyperparameters), std::end(setting_.hyperparameters), arguments.hyperparameters);
  const auto update = kernel.optimizers[setting_.rule].update;
  const Range own = team.share(network_.parameter_count, element_grain);
  if (l2 == 0) {
    if (own.begin < own.end) update(arguments, own);
    return;
  }
  for (const Layer& layer : network_.layers) {  // the penalty spares the biases
    const int64 weights = layer.offset + layer.outputs, end = weights + layer.inputs * layer.outputs;
    const auto part = [&](int64 from, int64 to, double decay) {
      const Range range{std::max(own.begin, from), std::min(own.end, to)};
      arguments.l2 = T(decay);
      if (range.begin < range.end) update(arguments, range);
    };
    part(layer.offset, weights, 0);
    part(weights, end, l2);
  }
}

template <class T>
double Trainer<T>::add_gradient(const Data<T>& data, const Objective& objective, Range rows, double scale) {
  double total = 0;
  parallel(threads(step_operations(std::min(rows.end - rows.begin, block_))), [&](const Team& team) {
    int64 at = rows.begin;
    do {  // at least once: no rows have a gradient, too, zero
      const Range block{at, std::min(at + block_, rows.end)};
      pass_.gather(team, network_, data, block);
      team.barrier();
      block_gradient(team, objective, T(scale), block.begin > 0, nullptr);
      team.barrier();
      if (team.rank == 0) total += pass_.partial_loss();
      at = block.end;
    } while (at < rows.end);
  });
  return total;
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
const T* Trainer<T>::forward_batch(const Data<T>& data, Range rows, const Dropout& dropout) {
  parallel(threads(step_operations(rows.end - rows.begin)), [&](const Team& team) {
    pass_.gather(team, network_, data, rows);
    team.barrier();
    pass_.forward(team, network_, Output::activation, dropout.any() ? &dropout : nullptr);
  });
  return pass_.output();
}

template <class T>
void Trainer<T>::backward_batch(const T* by_outputs, const Dropout& dropout) {
  parallel(threads(step_operations(pass_.rows())), [&](const Team& team) {
    pass_.output_slope(team, network_, by_outputs);
    pass_.backward(team, network_, gradient_.data(), false, dropout.any() ? &dropout : nullptr);
  });
}

template <class T>
void Trainer<T>::update(double rate, double l2) {
  parallel(threads(static_cast<double>(network_.parameter_count)),
           [&](const Team& team) { update_share(team, rate, l2); });
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
template double sum_of_weights(const Data<float>&, Range);
template double sum_of_weights(const Data<double>&, Range);
template double squared_weights(const Network<float>&);
template double squared_weights(const Network<double>&);

}  // namespace nablas
