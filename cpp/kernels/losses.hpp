// The losses, as functions of the preactivation z of their linked output activation. To add one that is a sum over
// entries: a struct here and its name in `Losses`, and its formula in python/nablas/reference/losses.py.
//
// value(z, y) is one entry's loss, slope(z, y) = d value / dz. A loss with hyperparameters has a constructor that
// takes them. Cost: one pass over z and targets.
#pragma once

#include "kernels/softmax.hpp"

namespace nablas {
namespace {

constexpr bool entries_are_averaged = true, entries_are_summed = false;

constexpr double largest_target = is_double ? __DBL_MAX__ : static_cast<double>(__FLT_MAX__);
struct LossDefaults {
  static constexpr const char* function = nullptr;  // null: the same as `name`
  static constexpr bool takes_labels = false;
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {};
};
struct AnyTarget : LossDefaults {
  static constexpr double lowest = -largest_target, highest = largest_target;
};
struct ProbabilityTarget : LossDefaults {
  static constexpr double lowest = 0, highest = 1;
};
struct NonNegativeTarget : LossDefaults {
  static constexpr double lowest = 0, highest = largest_target;
};

struct CrossEntropy : ProbabilityTarget {  // computed by cross_entropy_rows
  static constexpr const char *name = "cross_entropy", *link = "softmax", *function = "softmax_cross_entropy";
  static constexpr const char* formula =
      "-sum(t log p), t = (1 - label_smoothing) y + label_smoothing / outputs, p = softmax(z)";
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {{"label_smoothing", 0, 0, 1}};
  static constexpr bool mean_of_entries = entries_are_summed, takes_labels = true;
};
struct Mse : AnyTarget {
  static constexpr const char *name = "mse", *link = "identity", *formula = "mean((h - y)^2), h = z";
  static constexpr bool mean_of_entries = entries_are_averaged;
  static NABLAS_INLINE V value(V h, V y) { return (h - y) * (h - y); }
  static NABLAS_INLINE V slope(V h, V y) { return (h - y) * T(2); }
};
struct HalfMse : AnyTarget {
  static constexpr const char *name = "half_mse", *link = "identity", *formula = "sum((h - y)^2) / 2, h = z";
  static constexpr bool mean_of_entries = entries_are_summed;
  static NABLAS_INLINE V value(V h, V y) { return (h - y) * ((h - y) * T(0.5)); }
  static NABLAS_INLINE V slope(V h, V y) { return h - y; }
};
struct Mae : AnyTarget {  // slope 0 where h = y
  static constexpr const char *name = "mae", *link = "identity", *formula = "mean(|h - y|), h = z";
  static constexpr bool mean_of_entries = entries_are_averaged;
  static NABLAS_INLINE V value(V h, V y) { return absolute(h - y); }
  static NABLAS_INLINE V slope(V h, V y) {
    const V d = h - y;
    return d > T(0) ? broadcast(1) : (d < T(0) ? broadcast(-1) : d);
  }
};
struct Huber : AnyTarget {  // Huber 1964: quadratic up to |h - y| = delta, linear beyond
  static constexpr const char *name = "huber", *link = "identity";
  static constexpr const char* formula =
      "mean(d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2)), d = h - y, h = z";
  static constexpr bool mean_of_entries = entries_are_averaged;
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {{"delta", 1, above_zero, unbounded}};
  T delta;
  explicit Huber(const double* given) : delta(static_cast<T>(given[0])) {}
  NABLAS_INLINE V value(V h, V y) const {
    const V d = absolute(h - y);
    return d <= delta ? d * (d * T(0.5)) : (d - delta * T(0.5)) * delta;
  }
  NABLAS_INLINE V slope(V h, V y) const {
    const V d = h - y;
    return d > delta ? broadcast(delta) : (d < -delta ? broadcast(-delta) : d);
  }
};
struct Quantile : AnyTarget {  // Koenker and Bassett 1978; slope 0 where h = y
  static constexpr const char *name = "quantile", *link = "identity";
  static constexpr const char* formula = "mean(q d where d > 0, else (q - 1) d), d = y - h, h = z";
  static constexpr bool mean_of_entries = entries_are_averaged;
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {{"q", 0.5, above_zero, 1}};
  T q;
  explicit Quantile(const double* given) : q(static_cast<T>(given[0])) {}
  NABLAS_INLINE V value(V h, V y) const {
    const V d = y - h;
    return d > T(0) ? d * q : d * (q - T(1));
  }
  NABLAS_INLINE V slope(V h, V y) const {
    const V d = y - h;
    return d > T(0) ? broadcast(-q) : (d < T(0) ? broadcast(T(1) - q) : d);
  }
};
struct LogCosh : AnyTarget {  // quadratic near 0, |d| - log 2 far away
  static constexpr const char *name = "log_cosh", *link = "identity", *formula = "mean(log(cosh(d))), d = h - y, h = z";
  static constexpr bool mean_of_entries = entries_are_averaged;
  // With a = |d|: a + log(1 + exp(-2a)) - log(2), which cancels near 0; there log1p(2 s^2) with s = sinh(a / 2), since
  // cosh(a) = 1 + 2 s^2.
  static NABLAS_INLINE V value(V h, V y) {
    const V a = absolute(h - y), e = expm1((a > T(1) ? broadcast(1) : a) * T(0.5));
    const V s = (e + e / (e + T(1))) * T(0.5);  // sinh(a / 2)
    const V far = a + log1p(exp(a * T(-2))) - T(0.69314718055994530942);
    const V near = log1p(s * s * T(2));  // at most 0.55, within log1p's domain
    return a > T(1) ? far : near;
  }
  static NABLAS_INLINE V slope(V h, V y) { return tanh(h - y); }
};
struct BinaryCrossEntropy : ProbabilityTarget {
  static constexpr const char *name = "binary_cross_entropy", *link = "sigmoid",
                              *function = "sigmoid_binary_cross_entropy";
  static constexpr const char* formula =
      "sum(-t log p - (1 - t) log(1 - p)), t = (1 - label_smoothing) y + label_smoothing / 2, p = sigmoid(z)";
  static constexpr bool mean_of_entries = entries_are_summed;
  static constexpr Hyperparameter hyperparameters[max_hyperparameters] = {{"label_smoothing", 0, 0, 1}};
  T kept, added;
  explicit BinaryCrossEntropy(const double* given) : kept(1 - given[0]), added(given[0] / 2) {}
  // max(z, 0) - t z in one product: the difference would cancel where t is near 1.
  NABLAS_INLINE V value(V z, V y) const {
    return z * ((z < T(0) ? V{} : broadcast(1)) - (y * kept + added)) + log1p(exp(-absolute(z)));
  }
  NABLAS_INLINE V slope(V z, V y) const { return sigmoid(z) - (y * kept + added); }
};
struct Perceptron : ProbabilityTarget {  // Rosenblatt 1958: its slope is the mistake, prediction - y
  static constexpr const char *name = "perceptron", *link = "step", *formula = "sum(max(0, z) - y z)";
  static constexpr bool mean_of_entries = entries_are_summed;
  static NABLAS_INLINE V value(V z, V y) { return z * ((z < T(0) ? V{} : broadcast(1)) - y); }
  static NABLAS_INLINE V slope(V z, V y) { return Step::value(z) - y; }
};
struct Poisson : NonNegativeTarget {  // half the Poisson deviance
  static constexpr const char *name = "poisson", *link = "exp", *formula = "sum(y log(y / h) - y + h), h = exp(z)";
  static constexpr bool mean_of_entries = entries_are_summed;
  // With t = log(y / h): y (exp(-t) - 1 + t), which cancels near t = 0; there a Taylor polynomial, exact to T's
  // rounding.
  static NABLAS_INLINE V value(V z, V y) {
    static constexpr T c[] = {T(1. / 2),          T(-1. / 6),        T(1. / 24),        T(-1. / 120),
                              T(1. / 720),        T(-1. / 5040),     T(1. / 40320),     T(-1. / 362880),
                              T(1. / 3628800),    T(-1. / 39916800), T(1. / 4790016e2), T(-1. / 62270208e2),
                              T(1. / 871782912e2)};
    const V h = exp(z);  // where it is infinite, the rest may be -infinity
    const V t = log(y > T(0) ? y : broadcast(1)) - z;
    const V far = (y > T(0) ? y * t - y : V{}) + h;
    return h == infinity ? h : ((absolute(t) < T(0.5)) & (y > T(0)) ? y * (t * t * polynomial(t, c)) : far);
  }
  static NABLAS_INLINE V slope(V z, V y) { return exp(z) - y; }
};
using Losses = List<CrossEntropy, Mse, HalfMse, Mae, Huber, Quantile, LogCosh, BinaryCrossEntropy, Perceptron, Poisson>;

// ---- loops ------------------------------------------------------------------------------------------

// Sum of weight * loss over `count` contiguous entries, with one weight per entry, or `weight` where `weights` is null.
// delta = slope * weight * scale unless null.
template <class L>
double entry_losses(const L& loss, const T* z, const T* y, const T* weights, T weight, int64 count, T scale, T* delta) {
  constexpr int64 piece = 64 * lanes;  // partial sums in T, the total in double
  double total = 0;
  for (int64 begin = 0; begin < count; begin += piece) {
    const int64 end = count - begin < piece ? count : begin + piece;
    V sum{};
    for (int64 j = begin; j < end; j += lanes) {
      const int64 used = end - j < lanes ? end - j : lanes;
      const V zv = load_part(z + j, used), yv = load_part(y + j, used);
      const V w = weights == nullptr ? keep_part(broadcast(weight), used, V{}) : load_part(weights + j, used);
      sum += w == T(0) ? V{} : loss.value(zv, yv) * w;
      if (delta != nullptr) store_part(delta + j, loss.slope(zv, yv) * (w * scale), used);
    }
    total += sum_lanes(sum);
  }
  return total;
}

template <class L>
L make_loss([[maybe_unused]] const double* hyperparameters) {
  if constexpr (std::is_constructible_v<L, const double*>)
    return L(hyperparameters);
  else
    return L{};
}

template <class L>
double entry_loss_rows(const LossArguments<T>& arguments, Range rows) {
  const L loss = make_loss<L>(arguments.hyperparameters);
  const int64 columns = arguments.z.columns, count = rows.end - rows.begin;
  const auto losses = [&](int64 i, int64 entries, const T* weights, T weight) {
    return entry_losses<L>(loss, arguments.z.data + i * arguments.z.rs, arguments.targets + i * columns, weights,
                           weight, entries, arguments.delta_scale,
                           arguments.delta == nullptr ? nullptr : arguments.delta + i * arguments.delta_rs);
  };
  const T* const weights = arguments.weights;
  const bool contiguous = arguments.z.rs == columns && arguments.delta_rs == columns;
  if (contiguous && (weights == nullptr || columns == 1))
    return losses(rows.begin, count * columns, weights == nullptr ? nullptr : weights + rows.begin, T(1));
  double total = 0;
  for (int64 i = rows.begin; i < rows.end; ++i)
    total += losses(i, columns, nullptr, weights == nullptr ? T(1) : weights[i]);
  return total;
}

struct LossMaker {
  using Entry = LossEntry<T>;
  template <class L>
  static constexpr Entry entry() {
    Entry made{L::name,
               L::function == nullptr ? L::name : L::function,
               L::formula,
               L::link,
               L::mean_of_entries,
               L::takes_labels,
               L::lowest,
               L::highest,
               {},
               nullptr};
    copy_hyperparameters(L::hyperparameters, made);
    if constexpr (std::is_same_v<L, CrossEntropy>)
      made.rows = cross_entropy_rows;
    else
      made.rows = [](const LossArguments<T>& arguments, Range rows, double* sums) {
        for (int64 i = rows.begin; i < rows.end; i += loss_rows)
          *sums++ += entry_loss_rows<L>(arguments, {i, at_most(i + loss_rows, rows.end)});
      };
    return made;
  }
};
using LossEntries = Registry<LossMaker, Losses>;

}  // namespace
}  // namespace nablas
