// The optimizers: one pass over flat parameters, gradient and states. To add one: a struct here and its name in
// `Optimizers`, its formula in python/nablas/reference/optimizers.py, a class in python/nablas/optimizers.py.
//
// step(w, g, first, second) returns the new w and updates the states; g is the gradient plus 2 l2 w. `begin_step`
// computes, once per step, the constants that all parameters share; the constructor reads them. The conventions are
// PyTorch's (dampening 0).
// Cost: one read and one write of w and of each state, one read of the gradient: memory-bound beyond L2.
#pragma once

#include "kernels/math.hpp"
#include "kernels/registry.hpp"

namespace nablas {
namespace {

NABLAS_INLINE V square_root(V x) {
  for (int i = 0; i < lanes; ++i) x[i] = is_double ? __builtin_sqrt(x[i]) : __builtin_sqrtf(x[i]);
  return x;
}
inline double power(double base, double exponent) { return __builtin_pow(base, exponent); }

struct OptimizerDefaults {
  static constexpr const char* scalar = nullptr;
  static constexpr bool uses_state(int, const double*) { return true; }
  static void begin_step(OptimizerStep&) {}
};

struct Sgd : OptimizerDefaults {
  static constexpr const char *name = "sgd", *formula = "v = momentum v + g; w -= rate v, or rate (g + momentum v)";
  static constexpr const char* states[max_optimizer_states] = {"velocity"};
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {{"momentum", 0, 0, 1},
                                                                          {"nesterov", 0, 0, 2}};  // 0 or 1
  static constexpr bool uses_state(int, const double* h) { return h[0] != 0; }
  T rate, momentum;
  bool nesterov;
  explicit Sgd(const OptimizerStep& s)
      : rate(s.learning_rate), momentum(s.hyperparameters[0]), nesterov(s.hyperparameters[1] != 0) {}
  NABLAS_INLINE V step(V w, V g, V& velocity, V&) const {
    velocity = velocity * momentum + g;
    return w - (nesterov ? g + velocity * momentum : velocity) * rate;
  }
};

struct AdamMoments : OptimizerDefaults {  // Kingma and Ba 2015
  static constexpr const char* states[max_optimizer_states] = {"first_moment", "second_moment"};
  static void begin_step(OptimizerStep& s) {
    const double n = static_cast<double>(s.number);
    s.constants[0] = s.learning_rate / (1 - power(s.hyperparameters[0], n));
    s.constants[1] = 1 / __builtin_sqrt(1 - power(s.hyperparameters[1], n));
  }
  T rate, beta1, beta2, rest1, rest2, eps, root_correction;
  explicit AdamMoments(const OptimizerStep& s)
      : rate(s.constants[0]),
        beta1(s.hyperparameters[0]),
        beta2(s.hyperparameters[1]),
        rest1(1 - s.hyperparameters[0]),
        rest2(1 - s.hyperparameters[1]),
        eps(s.hyperparameters[2]),
        root_correction(s.constants[1]) {}
  NABLAS_INLINE V change(V g, V& m, V& v) const {
    m = m * beta1 + g * rest1;
    v = v * beta2 + g * g * rest2;
    return m * rate / (square_root(v) * root_correction + eps);
  }
};

struct Adam : AdamMoments {
  static constexpr const char *name = "adam", *formula = "w -= rate m / (sqrt(v) + eps), m and v bias-corrected";
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {
      {"beta1", 0.9, 0, 1}, {"beta2", 0.999, 0, 1}, {"eps", 1e-8, 0, unbounded}};
  using AdamMoments::AdamMoments;
  NABLAS_INLINE V step(V w, V g, V& m, V& v) const { return w - change(g, m, v); }
};

struct AdamW : AdamMoments {  // Loshchilov and Hutter 2019: the decay does not enter the moments
  static constexpr const char *name = "adamw",
                              *formula = "w -= rate weight_decay w + rate m / (sqrt(v) + eps), bias-corrected";
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {
      {"beta1", 0.9, 0, 1}, {"beta2", 0.999, 0, 1}, {"eps", 1e-8, 0, unbounded}, {"weight_decay", 0.01, 0, unbounded}};
  T keep;
  explicit AdamW(const OptimizerStep& s) : AdamMoments(s), keep(1 - s.learning_rate * s.hyperparameters[3]) {}
  NABLAS_INLINE V step(V w, V g, V& m, V& v) const { return w * keep - change(g, m, v); }
};

struct NAdam : OptimizerDefaults {  // Dozat 2016, with PyTorch's schedule of the momentum mu
  static constexpr const char
      *name = "nadam",
      *formula =
          "w -= rate ((1 - mu_n) g / (1 - M_n) + mu_(n+1) m / (1 - M_(n+1))) / (sqrt(v) + eps), "
          "mu_n = beta1 (1 - 0.96^(n momentum_decay) / 2), M_n = mu_1 ... mu_n";
  static constexpr const char *states[max_optimizer_states] = {"first_moment", "second_moment"},
                              *scalar = "momentum_product";
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {{"beta1", 0.9, 0, 1},
                                                                          {"beta2", 0.999, 0, 1},
                                                                          {"eps", 1e-8, 0, unbounded},
                                                                          {"momentum_decay", 0.004, 0, unbounded}};
  static void begin_step(OptimizerStep& s) {
    const double n = static_cast<double>(s.number), beta1 = s.hyperparameters[0], decay = s.hyperparameters[3];
    const double mu = beta1 * (1 - 0.5 * power(0.96, n * decay)),
                 next = beta1 * (1 - 0.5 * power(0.96, (n + 1) * decay));
    s.scalar *= mu;
    s.constants[0] = s.learning_rate * (1 - mu) / (1 - s.scalar);
    s.constants[1] = s.learning_rate * next / (1 - s.scalar * next);
    s.constants[2] = 1 / __builtin_sqrt(1 - power(s.hyperparameters[1], n));
  }
  T of_gradient, of_moment, beta1, beta2, rest1, rest2, eps, root_correction;
  explicit NAdam(const OptimizerStep& s)
      : of_gradient(s.constants[0]),
        of_moment(s.constants[1]),
        beta1(s.hyperparameters[0]),
        beta2(s.hyperparameters[1]),
        rest1(1 - s.hyperparameters[0]),
        rest2(1 - s.hyperparameters[1]),
        eps(s.hyperparameters[2]),
        root_correction(s.constants[2]) {}
  NABLAS_INLINE V step(V w, V g, V& m, V& v) const {
    m = m * beta1 + g * rest1;
    v = v * beta2 + g * g * rest2;
    return w - (g * of_gradient + m * of_moment) / (square_root(v) * root_correction + eps);
  }
};

struct RmsProp : OptimizerDefaults {  // Hinton 2012
  static constexpr const char *name = "rmsprop",
                              *formula = "s = rho s + (1 - rho) g^2; v = momentum v + g / (sqrt(s) + eps); w -= rate v";
  static constexpr const char* states[max_optimizer_states] = {"square_average", "velocity"};
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {
      {"rho", 0.99, 0, 1}, {"eps", 1e-8, 0, unbounded}, {"momentum", 0, 0, 1}};
  static constexpr bool uses_state(int state, const double* h) { return state == 0 || h[2] != 0; }
  T rate, rho, rest, eps, momentum;
  explicit RmsProp(const OptimizerStep& s)
      : rate(s.learning_rate),
        rho(s.hyperparameters[0]),
        rest(1 - s.hyperparameters[0]),
        eps(s.hyperparameters[1]),
        momentum(s.hyperparameters[2]) {}
  NABLAS_INLINE V step(V w, V g, V& square, V& velocity) const {
    square = square * rho + g * g * rest;
    velocity = velocity * momentum + g / (square_root(square) + eps);
    return w - velocity * rate;
  }
};

struct Adagrad : OptimizerDefaults {  // Duchi, Hazan and Singer 2011
  static constexpr const char *name = "adagrad", *formula = "s = s + g^2; w -= rate g / (sqrt(s) + eps)";
  static constexpr const char* states[max_optimizer_states] = {"square_sum"};
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {{"eps", 1e-10, 0, unbounded}};
  T rate, eps;
  explicit Adagrad(const OptimizerStep& s) : rate(s.learning_rate), eps(s.hyperparameters[0]) {}
  NABLAS_INLINE V step(V w, V g, V& square, V&) const {
    square = square + g * g;
    return w - g * rate / (square_root(square) + eps);
  }
};
using Optimizers = List<Sgd, Adam, AdamW, NAdam, RmsProp, Adagrad>;

// ---- the pass ---------------------------------------------------------------------------------------

template <class Rule>
void update_rule(const UpdateArguments<T>& u, const Patch<T>& patch) {
  const Rule rule(u.step);
  const T decay = u.l2 * T(2);
  // A null state (uses_state is false) is read as zero and not written.
  T* const states[2] = {u.states[0], u.states[1]};
  for (int64 i = 0; i < patch.rows; ++i) {
    const int64 at = patch.begin + i * patch.rs;
    const T* const gradient = patch.gradient + i * patch.gradient_rs;
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

struct OptimizerMaker {
  using Entry = OptimizerEntry<T>;
  template <class Rule>
  static constexpr Entry entry() {
    Entry made{Rule::name, Rule::formula, {}, Rule::scalar, {}, Rule::uses_state, Rule::begin_step, update_rule<Rule>};
    for (int i = 0; i < max_optimizer_states; ++i) made.states[i] = Rule::states[i];
    copy_hyperparameters(Rule::hyperparameters, made);
    return made;
  }
};
using OptimizerEntries = Registry<OptimizerMaker, Optimizers>;

}  // namespace
}  // namespace nablas
