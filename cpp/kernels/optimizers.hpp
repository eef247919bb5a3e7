// The optimizers: one pass over flat parameters, gradient and states. To add one: a struct here and its name in
// `Optimizers`, its formula in python/nablas/reference/optimizers.py, a class in python/nablas/optimizers.py.
//
// g is the gradient plus 2 l2 w. States start at zero. PyTorch's conventions throughout (dampening 0).
// Cost: one read and one write of w and of each state, one read of the gradient: memory-bound beyond L2.
#pragma once

#include "kernels/activations.hpp"

namespace nablas {
namespace {

NABLAS_INLINE V square_root(V x) {
  for (int i = 0; i < lanes; ++i) x[i] = is_double ? __builtin_sqrt(x[i]) : __builtin_sqrtf(x[i]);
  return x;
}

struct Sgd {
  static constexpr const char* name = "sgd";
  static constexpr const char* states[max_optimizer_states] = {"velocity"};
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {{"momentum", 0}, {"nesterov", 0}};
  T rate, momentum;
  bool nesterov;
  explicit Sgd(const UpdateArguments<T>& u)
      : rate(u.learning_rate), momentum(u.hyperparameters[0]), nesterov(u.hyperparameters[1] != 0) {}
  NABLAS_INLINE V step(V w, V g, V& velocity, V&) const {
    velocity = velocity * momentum + g;
    return w - (nesterov ? g + velocity * momentum : velocity) * rate;
  }
};

struct AdamMoments {  // Kingma and Ba 2015
  static constexpr const char* states[max_optimizer_states] = {"first_moment", "second_moment"};
  T rate, beta1, beta2, rest1, rest2, eps, root_correction;
  explicit AdamMoments(const UpdateArguments<T>& u)
      : beta1(u.hyperparameters[0]),
        beta2(u.hyperparameters[1]),
        rest1(1 - u.hyperparameters[0]),
        rest2(1 - u.hyperparameters[1]),
        eps(u.hyperparameters[2]) {
    rate = u.learning_rate / u.corrections[0];
    root_correction = 1 / __builtin_sqrt(u.corrections[1]);
  }
  NABLAS_INLINE V change(V g, V& m, V& v) const {
    m = m * beta1 + g * rest1;
    v = v * beta2 + g * g * rest2;
    return m * rate / (square_root(v) * root_correction + eps);
  }
};

struct Adam : AdamMoments {
  static constexpr const char* name = "adam";
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {
      {"beta1", 0.9}, {"beta2", 0.999}, {"eps", 1e-8}};
  using AdamMoments::AdamMoments;
  NABLAS_INLINE V step(V w, V g, V& m, V& v) const { return w - change(g, m, v); }
};

struct AdamW : AdamMoments {  // Loshchilov and Hutter 2019: the decay bypasses the moments
  static constexpr const char* name = "adamw";
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {
      {"beta1", 0.9}, {"beta2", 0.999}, {"eps", 1e-8}, {"weight_decay", 0.01}};
  T keep;
  explicit AdamW(const UpdateArguments<T>& u) : AdamMoments(u), keep(1 - u.learning_rate * u.hyperparameters[3]) {}
  NABLAS_INLINE V step(V w, V g, V& m, V& v) const { return w * keep - change(g, m, v); }
};

struct RmsProp {
  static constexpr const char* name = "rmsprop";
  static constexpr const char* states[max_optimizer_states] = {"square_average", "velocity"};
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {
      {"rho", 0.99}, {"eps", 1e-8}, {"momentum", 0}};
  T rate, rho, rest, eps, momentum;
  explicit RmsProp(const UpdateArguments<T>& u)
      : rate(u.learning_rate),
        rho(u.hyperparameters[0]),
        rest(1 - u.hyperparameters[0]),
        eps(u.hyperparameters[1]),
        momentum(u.hyperparameters[2]) {}
  NABLAS_INLINE V step(V w, V g, V& square, V& velocity) const {
    square = square * rho + g * g * rest;
    velocity = velocity * momentum + g / (square_root(square) + eps);
    return w - velocity * rate;
  }
};

struct Adagrad {
  static constexpr const char* name = "adagrad";
  static constexpr const char* states[max_optimizer_states] = {"square_sum"};
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {{"eps", 1e-10}};
  T rate, eps;
  explicit Adagrad(const UpdateArguments<T>& u) : rate(u.learning_rate), eps(u.hyperparameters[0]) {}
  NABLAS_INLINE V step(V w, V g, V& square, V&) const {
    square = square + g * g;
    return w - g * rate / (square_root(square) + eps);
  }
};
using Optimizers = List<Sgd, Adam, AdamW, RmsProp, Adagrad>;

template <class Rule>
void update_rule(const UpdateArguments<T>& u, const Patch<T>& patch) {
  const Rule rule(u);
  const T decay = u.l2 * T(2);
  // An absent state (momentum 0) is zero and not written.
  T* const states[2] = {u.states[0], u.states[1]};
  for (int64 i = 0; i < patch.rows; ++i) {
    const int64 at = patch.begin + i * patch.row;
    const T* const gradient = patch.gradient + i * patch.gradient_row;
    for_each_vector(patch.columns, [&](auto from, auto to) NABLAS_LAMBDA {
      T* const w = u.parameters + at;
      const V old = from(w);
      V first = states[0] == nullptr ? V{} : from(states[0] + at);
      V second = states[1] == nullptr ? V{} : from(states[1] + at);
      const V changed = rule.step(old, from(gradient) + old * decay, first, second);
      to(w, changed - changed == T(0) ? changed : old);
      if (states[0] != nullptr) to(states[0] + at, first);
      if (states[1] != nullptr) to(states[1] + at, second);
    });
  }
}

template <class Rule>
constexpr OptimizerEntry<T> optimizer_entry() {
  OptimizerEntry<T> entry{Rule::name, {}, {}, std::is_base_of_v<AdamMoments, Rule>, update_rule<Rule>};
  for (int i = 0; i < max_optimizer_states; ++i) entry.states[i] = Rule::states[i];
  for (int i = 0; i < max_hyperparameters; ++i) entry.hyperparameters[i] = Rule::hyperparameters[i];
  return entry;
}
template <class... Rules>
struct OptimizerTable {
  static constexpr OptimizerEntry<T> entries[] = {optimizer_entry<Rules>()...};
  static constexpr int count = sizeof...(Rules);
};
template <class... Rules>
constexpr OptimizerTable<Rules...> optimizers_of(List<Rules...>);
using OptimizerEntries = decltype(optimizers_of(Optimizers{}));

}  // namespace
}  // namespace nablas
