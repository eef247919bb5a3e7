#include "network/pass.hpp"

#include <algorithm>

#include "network/dispatch.hpp"

namespace nablas {

template <class T>
void Pass<T>::prepare(const Network<T>& network, Purpose purpose, bool dropout, int64 rows, int threads) {
  kernel_ = &kernels<T>();
  const std::size_t count = network.layers.size();
  activations_.resize(count);
  preactivations_.resize(count);
  dropped_.resize(count);
  input_.reserve(rows * network.inputs());
  int64 widest = 0;
  for (std::size_t l = 0; l < count; ++l) {
    const Layer& layer = network.layers[l];
    widest = std::max(widest, layer.outputs);
    activations_[l].reserve(rows * layer.outputs);
    const bool elementwise = layer.activation < kernel_->activation_count;
    if (purpose == Purpose::gradient && elementwise && kernel_->activations[layer.activation].slope_needs_preactivation)
      preactivations_[l].reserve(rows * layer.outputs);
    if (dropout) dropped_[l].reserve(rows * layer.inputs);
  }
  if (purpose == Purpose::gradient)
    for (Buffer<T>& delta : deltas_) delta.reserve(rows * widest);
  if (purpose != Purpose::outputs) {
    targets_.reserve(rows * network.outputs());
    labels_.reserve(rows);
    weights_.reserve(rows);
    partial_losses_.reserve((rows + loss_rows - 1) / loss_rows);
  }
  workspaces_.reserve(threads, kernel_->gemm_workspace);
}

template <class T>
void Pass<T>::gather(const Team& team, const Network<T>& network, const Data<T>& data, Range rows) {
  const int64 count = rows.end - rows.begin;
  if (team.rank == 0) {
    rows_ = count;
    has_labels_ = data.labels != nullptr;
    has_weights_ = data.weights != nullptr;
  }
  const Range own = team.share(count, 1);
  const int64 inputs = network.inputs(), n = own.end - own.begin;
  kernel_->gather[static_cast<int>(data.x.type)](data.x, data.order, rows.begin + own.begin, n,
                                                 input_.data() + own.begin * inputs, inputs);
  const int64 outputs = network.outputs();
  for (int64 i = own.begin; i < own.end; ++i) {
    const int64 from = data.row(rows.begin + i);
    if (data.labels != nullptr) labels_.data()[i] = data.labels[from];
    if (data.weights != nullptr) weights_.data()[i] = data.weights[from];
    if (data.targets != nullptr) std::copy_n(data.targets + from * outputs, outputs, targets_.data() + i * outputs);
  }
}

template <class T>
void Pass<T>::forward(const Team& team, const Network<T>& network, Output output, const Dropout* dropout) {
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const Layer& layer = network.layers[l];
    team.barrier();
    const T* const x = input(l, dropout);
    if (x != undropped_input(l)) {
      drop(team, *dropout, l, layer.inputs, undropped_input(l), dropped_[l].data());
      team.barrier();
    }
    const bool last = l + 1 == network.layers.size();
    const bool plain = layer.activation >= kernel_->activation_count || (last && output == Output::preactivation);
    T* const a = activations_[l].data();
    team_gemm(*kernel_, team,
              forward_gemm<T>({x, rows_, layer.inputs, layer.inputs}, network.parameters.data() + layer.offset,
                              layer.outputs, a, preactivations_[l].data(), plain ? 0 : layer.activation),
              workspaces_.of(team));
  }
  if (network.softmax_output() && output == Output::activation) {
    team.barrier();
    const Range own = own_rows(team);
    const int64 n = network.outputs();
    T* const a = activations_.back().data() + own.begin * n;
    kernel_->softmax({a, own.end - own.begin, n, n}, a, n);
  }
}

template <class T>
void Pass<T>::loss(const Team& team, const Network<T>& network, const LossEntry<T>& entry, bool linked, bool gradient,
                   T delta_scale) {
  team.barrier();
  const Range own = own_rows(team);
  const int64 outputs = network.outputs();
  const T entry_scale = entry.mean_of_entries && outputs > 0 ? T(1) / outputs : T(1);
  const LossArguments<T> arguments{{output(), rows_, outputs, outputs},    targets_.data(),
                                   has_labels_ ? labels_.data() : nullptr, has_weights_ ? weights_.data() : nullptr,
                                   gradient ? delta() : nullptr,           delta_scale * entry_scale};
  for (int64 i = own.begin; i < own.end; i += loss_rows)
    partial_losses_.data()[i / loss_rows] = entry.rows(arguments, {i, std::min(i + loss_rows, own.end)}) *
                                            (entry.mean_of_entries && outputs > 0 ? 1.0 / outputs : 1.0);
  if (gradient && !linked) slope_of_output(network, own);
}

template <class T>
void Pass<T>::output_slope(const Team& team, const Network<T>& network, const T* by_activation) {
  const Range own = own_rows(team);
  const int64 outputs = network.outputs();
  std::copy(by_activation + own.begin * outputs, by_activation + own.end * outputs, delta() + own.begin * outputs);
  slope_of_output(network, own);
}

// delta of these rows, by the activations so far, becomes delta by z.
template <class T>
void Pass<T>::slope_of_output(const Network<T>& network, Range rows) {
  const Layer& layer = network.layers.back();
  const int64 n = layer.outputs, at = rows.begin * n, count = rows.end - rows.begin;
  if (network.softmax_output()) {
    kernel_->softmax_slope({output() + at, count, n, n}, delta() + at, delta() + at);
    return;
  }
  const ActivationEntry<T>& entry = kernel_->activations[layer.activation];
  const T* kept = entry.slope_needs_preactivation ? preactivations_.back().data() : output();
  entry.multiply_slope({kept + at, count, n, n}, delta() + at, n);
}

template <class T>
void Pass<T>::backward(const Team& team, const Network<T>& network, T* gradient, bool accumulate,
                       const Dropout* dropout) {
  for (int l = static_cast<int>(network.layers.size()) - 1; l >= 0; --l) {
    const Layer& layer = network.layers[l];
    const T* const delta = deltas_[(l + 1) % 2].data();
    team.barrier();
    team_gradient(*kernel_, team, {input(l, dropout), rows_, layer.inputs, layer.inputs}, delta, layer.outputs,
                  gradient + layer.offset, accumulate, workspaces_.of(team));
    if (l == 0) break;
    const int below = network.layers[l - 1].activation;
    const T* const kept = kernel_->activations[below].slope_needs_preactivation ? preactivations_[l - 1].data()
                                                                                : activations_[l - 1].data();
    T* const delta_below = deltas_[l % 2].data();
    team_gemm(*kernel_, team,
              delta_gemm<T>(delta, rows_, network.parameters.data() + layer.offset, layer.inputs, layer.outputs,
                            delta_below, below, kept, layer.inputs),
              workspaces_.of(team));
    if (dropout != nullptr && dropout->rates[l] > 0) {
      team.barrier();
      drop(team, *dropout, l, layer.inputs, delta_below, delta_below);
    }
  }
}

template <class T>
void Pass<T>::drop(const Team& team, const Dropout& dropout, std::size_t l, int64 columns, const T* from, T* to) {
  const Range own = own_rows(team);
  const int64 at = own.begin * columns;
  kernel_->dropout({from + at, own.end - own.begin, columns, columns}, to + at, columns, dropout.first_row + own.begin,
                   {dropout.seed, dropout.step, static_cast<std::uint32_t>(l), dropout.rates[l]});
}

template <class T>
double Pass<T>::partial_loss() const {
  double total = 0;
  for (int64 i = 0; i < (rows_ + loss_rows - 1) / loss_rows; ++i) total += partial_losses_.data()[i];
  return total;
}

template class Pass<float>;
template class Pass<double>;

}  // namespace nablas
