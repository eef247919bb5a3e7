// The optimizers: one pass over flat parameters, gradient and states. To add one: a struct here and its name in
// `Optimizers`, its formula in python/nablas/reference/optimizers.py, a class in python/nablas/optimizers.py.
//
// step(w, g, first, second, size) returns the new w and updates the states; g is the gradient plus 2 l2 w. `begin_step`
// computes, once per step, the constants that all parameters share; the constructor reads them. The conventions are
// PyTorch's (dampening 0).
//
// l1 |w| is minimised by a proximal step after that: the new w moves towards zero by threshold(l1, ...) and stops
// there. The threshold is the change that a constant gradient l1 would have made at this step, so that w rests where
// the loss's slope is at most l1 (at zero) or equal to it, as at the minimum (Yun, Lozano and Yang 2021). Rules that
// divide by the gradient's size divide by at least l1 then, so that w without a gradient moves by the rate and not to
// zero at once: `size` of `step` and `threshold` is x -> x, or x -> max(x, l1).
//
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

// The sum of the powers 0 to n - 1 of `ratio`, which is below 1: a velocity after n gradients of 1.
inline double geometric_sum(double ratio, int64 n) { return (1 - power(ratio, static_cast<double>(n))) / (1 - ratio); }
struct OptimizerDefaults {
  static constexpr const char* scalar = nullptr;
  static constexpr bool uses_state(int, const double*) { return true; }
  static void begin_step(OptimizerStep&) {}
};

struct Sgd : OptimizerDefaults {
  static constexpr const char *name = "sgd", *formula = "v = momentum v + g; w -= rate v, or rate (g + momentum v)";
  static constexpr const char* states[max_optimizer_states] = {"velocity"};
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {{"momentum", 0, 0, 1}, flag("nesterov")};
  static constexpr bool uses_state(int, const double* h) { return h[0] != 0; }
  T rate, momentum;
  bool nesterov;
  explicit Sgd(const OptimizerStep& s)
      : rate(s.learning_rate), momentum(s.hyperparameters[0]), nesterov(s.hyperparameters[1] != 0) {}
  template <class Size>
  NABLAS_INLINE V step(V w, V g, V& velocity, V&, Size) const {
    velocity = velocity * momentum + g;
    return w - (nesterov ? g + velocity * momentum : velocity) * rate;
  }
  static double reach(const OptimizerStep& s) {
    const double momentum = s.hyperparameters[0], sum = geometric_sum(momentum, s.number);
    return s.learning_rate * (s.hyperparameters[1] != 0 ? 1 + momentum * sum : sum);
  }
  template <class Size>
  NABLAS_INLINE V threshold(T l1, T reach, V, V, Size) const {
    return broadcast(reach * l1);
  }
};

struct AdamMoments : OptimizerDefaults {  // Kingma and Ba 2015
  static constexpr const char* states[max_optimizer_states] = {"first_moment", "second_moment"};
  static void begin_step(OptimizerStep& s) {
    const double n = static_cast<double>(s.number);
    s.constants[0] = s.learning_rate / (1 - power(s.hyperparameters[0], n));
    s.constants[1] = 1 / __builtin_sqrt(1 - power(s.hyperparameters[1], n));
    s.constants[2] = s.hyperparameters[2];
  }
  T rate, beta1, beta2, rest1, rest2, eps, root_correction;
  explicit AdamMoments(const OptimizerStep& s)
      : rate(s.constants[0]),
        beta1(s.hyperparameters[0]),
        beta2(s.hyperparameters[1]),
        rest1(1 - s.hyperparameters[0]),
        rest2(1 - s.hyperparameters[1]),
        eps(s.constants[2]),
        root_correction(s.constants[1]) {}
  template <class Size>
  NABLAS_INLINE V change(V g, V& m, V& v, Size size) const {
    m = m * beta1 + g * rest1;
    v = v * beta2 + g * g * rest2;
    return m * rate / size(square_root(v) * root_correction + eps);
  }
  static double reach(const OptimizerStep& s) { return s.learning_rate; }
  template <class Size>
  NABLAS_INLINE V threshold(T l1, T reach, V, V v, Size size) const {
    return reach * l1 / size(square_root(v) * root_correction + eps);
  }
};

struct Adam : AdamMoments {
  static constexpr const char
      *name = "adam",
      *formula = "w -= rate m / (sqrt(v) + eps), m and v bias-corrected; eps_hat: eps added before that";
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {
      {"beta1", 0.9, 0, 1}, {"beta2", 0.999, 0, 1}, {"eps", 1e-8, 0, unbounded}, flag("eps_hat")};
  static void begin_step(OptimizerStep& s) {
    AdamMoments::begin_step(s);
    if (s.hyperparameters[3] != 0) s.constants[2] *= s.constants[1];
  }
  using AdamMoments::AdamMoments;
  template <class Size>
  NABLAS_INLINE V step(V w, V g, V& m, V& v, Size size) const {
    return w - change(g, m, v, size);
  }
};

struct AdamW : AdamMoments {  // Loshchilov and Hutter 2019: the decay does not enter the moments
  static constexpr const char *name = "adamw",
                              *formula = "w -= rate weight_decay w + rate m / (sqrt(v) + eps), bias-corrected";
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {
      {"beta1", 0.9, 0, 1}, {"beta2", 0.999, 0, 1}, {"eps", 1e-8, 0, unbounded}, {"weight_decay", 0.01, 0, unbounded}};
  T keep;
  explicit AdamW(const OptimizerStep& s) : AdamMoments(s), keep(1 - s.learning_rate * s.hyperparameters[3]) {}
  template <class Size>
  NABLAS_INLINE V step(V w, V g, V& m, V& v, Size size) const {
    return w * keep - change(g, m, v, size);
  }
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
  template <class Size>
  NABLAS_INLINE V step(V w, V g, V& m, V& v, Size size) const {
    m = m * beta1 + g * rest1;
    v = v * beta2 + g * g * rest2;
    return w - (g * of_gradient + m * of_moment) / size(square_root(v) * root_correction + eps);
  }
  static double reach(const OptimizerStep& s) {
    return s.constants[0] + s.constants[1] * (1 - power(s.hyperparameters[0], static_cast<double>(s.number)));
  }
  template <class Size>
  NABLAS_INLINE V threshold(T l1, T reach, V, V v, Size size) const {
    return reach * l1 / size(square_root(v) * root_correction + eps);
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
  template <class Size>
  NABLAS_INLINE V step(V w, V g, V& square, V& velocity, Size size) const {
    square = square * rho + g * g * rest;
    velocity = velocity * momentum + g / size(square_root(square) + eps);
    return w - velocity * rate;
  }
  static double reach(const OptimizerStep& s) {
    return s.learning_rate * geometric_sum(s.hyperparameters[2], s.number);
  }
  template <class Size>
  NABLAS_INLINE V threshold(T l1, T reach, V square, V, Size size) const {
    return reach * l1 / size(square_root(square) + eps);
  }
};

struct Adagrad : OptimizerDefaults {  // Duchi, Hazan and Singer 2011
  static constexpr const char *name = "adagrad", *formula = "s = s + g^2; w -= rate g / (sqrt(s) + eps)";
  static constexpr const char* states[max_optimizer_states] = {"square_sum"};
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {{"eps", 1e-10, 0, unbounded}};
  T rate, eps;
  explicit Adagrad(const OptimizerStep& s) : rate(s.learning_rate), eps(s.hyperparameters[0]) {}
  template <class Size>
  NABLAS_INLINE V step(V w, V g, V& square, V&, Size size) const {
    square = square + g * g;
    return w - g * rate / size(square_root(square) + eps);
  }
  static double reach(const OptimizerStep& s) { return s.learning_rate; }
  template <class Size>
  NABLAS_INLINE V threshold(T l1, T reach, V square, V, Size size) const {
    return reach * l1 / size(square_root(square) + eps);
  }
};
using Optimizers = List<Sgd, Adam, AdamW, NAdam, RmsProp, Adagrad>;

// ---- the pass ---------------------------------------------------------------------------------------

// x moved towards zero by `threshold`, at most to zero
NABLAS_INLINE V shrink(V x, V threshold) {
  const V rest = absolute(x) - threshold;
  return rest > T(0) ? (x < T(0) ? -rest : rest) : (rest == rest ? V{} : x);
}

// `adjusted`: with l1 or a scale of the gradient.
template <class Rule, bool adjusted>
void update_patch(const UpdateArguments<T>& u, const Patch<T>& patch) {
  const Rule rule(u.step);
  const T decay = u.l2 * T(2), reach = adjusted ? static_cast<T>(Rule::reach(u.step)) : T(0);
  const auto size = [&](V x) NABLAS_LAMBDA { return adjusted ? larger(x, broadcast(u.l1)) : x; };
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
      V g = from(gradient);
      if constexpr (adjusted) g *= u.gradient_scale;
      V changed = rule.step(old, g + old * decay, first, second, size);
      if constexpr (adjusted)
        if (u.l1 != T(0)) changed = shrink(changed, rule.threshold(u.l1, reach, first, second, size));
      to(w, changed - changed == T(0) ? changed : old);
      if (states[0] != nullptr) to(states[0] + at, first);
      if (states[1] != nullptr) to(states[1] + at, second);
    });
  }
}

template <class Rule>
void update_rule(const UpdateArguments<T>& u, Patch<T> patch) {
  if (patch.rs == patch.columns && patch.gradient_rs == patch.columns) {  // contiguous: as one row
    patch.columns *= patch.rows;
    patch.rows = 1;
  }
  if (u.l1 != T(0) || u.gradient_scale != T(1))
    update_patch<Rule, true>(u, patch);
  else
    update_patch<Rule, false>(u, patch);
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
