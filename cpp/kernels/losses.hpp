// The losses, from the preactivation z of the output activation they are linked to. To add one that is a sum
// over entries: a struct here and its name in `Losses`, and its formula in
// python/nablas/reference/losses.py.
//
// value(z, y) is one entry's loss, slope(z, y) its derivative by z. Cost: one pass over z and targets.
#pragma once

#include "kernels/softmax.hpp"

namespace nablas {
namespace {

constexpr bool entries_are_averaged = true, entries_are_summed = false;

constexpr double largest_target = is_double ? __DBL_MAX__ : static_cast<double>(__FLT_MAX__);
struct AnyTarget {
  static constexpr double lowest = -largest_target, highest = largest_target;
};
struct ProbabilityTarget {
  static constexpr double lowest = 0, highest = 1;
};
struct NonNegativeTarget {
  static constexpr double lowest = 0, highest = largest_target;
};

struct Mse : AnyTarget {
  static constexpr const char *name = "mse", *link = "identity";
  static constexpr bool mean_of_entries = entries_are_averaged;
  static NABLAS_INLINE V value(V h, V y) { return (h - y) * (h - y); }
  static NABLAS_INLINE V slope(V h, V y) { return (h - y) * T(2); }
};
struct HalfMse : AnyTarget {
  static constexpr const char *name = "half_mse", *link = "identity";
  static constexpr bool mean_of_entries = entries_are_summed;
  static NABLAS_INLINE V value(V h, V y) { return (h - y) * (h - y) * T(0.5); }
  static NABLAS_INLINE V slope(V h, V y) { return h - y; }
};
struct Mae : AnyTarget {
  static constexpr const char *name = "mae", *link = "identity";
  static constexpr bool mean_of_entries = entries_are_averaged;
  static NABLAS_INLINE V value(V h, V y) { return absolute(h - y); }
  static NABLAS_INLINE V slope(V h, V y) {
    const V d = h - y;
    return d > T(0) ? broadcast(1) : (d < T(0) ? broadcast(-1) : d);
  }
};
struct Huber : AnyTarget {  // quadratic up to |h - y| = 1, linear beyond
  static constexpr const char *name = "huber", *link = "identity";
  static constexpr bool mean_of_entries = entries_are_averaged;
  static NABLAS_INLINE V value(V h, V y) {
    const V d = absolute(h - y);
    return d <= T(1) ? d * d * T(0.5) : d - T(0.5);
  }
  static NABLAS_INLINE V slope(V h, V y) {
    const V d = h - y;
    return d > T(1) ? broadcast(1) : (d < T(-1) ? broadcast(-1) : d);
  }
};
struct BinaryCrossEntropy : ProbabilityTarget {  // -y log p - (1 - y) log(1 - p), p = sigmoid(z)
  static constexpr const char *name = "binary_cross_entropy", *link = "sigmoid";
  static constexpr bool mean_of_entries = entries_are_summed;
  static NABLAS_INLINE V value(V z, V y) { return (z < T(0) ? V{} : z) - y * z + log1p(exp(-absolute(z))); }
  static NABLAS_INLINE V slope(V z, V y) { return sigmoid(z) - y; }
};
struct Poisson : NonNegativeTarget {  // half the deviance: y log(y / h) - y + h, h = e^z
  static constexpr const char *name = "poisson", *link = "exp";
  static constexpr bool mean_of_entries = entries_are_summed;
  static NABLAS_INLINE V value(V z, V y) { return (y > T(0) ? y * log(y) - y : V{}) - y * z + exp(z); }
  static NABLAS_INLINE V slope(V z, V y) { return exp(z) - y; }
};
using Losses = List<Mse, HalfMse, Mae, Huber, BinaryCrossEntropy, Poisson>;

// Sum of weight * loss over entries that lie side by side, each under its own weight or all under one.
template <class L>
double entry_losses(const T* z, const T* y, const T* weights, T weight, int64 count, T scale, T* delta) {
  constexpr int64 piece = 64 * lanes;  // short sums in T, their total in double
  double total = 0;
  for (int64 begin = 0; begin < count; begin += piece) {
    const int64 end = count - begin < piece ? count : begin + piece;
    V sum{};
    for (int64 j = begin; j < end; j += lanes) {
      const int64 used = end - j < lanes ? end - j : lanes;
      const V zv = load_part(z + j, used), yv = load_part(y + j, used);
      const V w = weights == nullptr ? keep_part(broadcast(weight), used, V{}) : load_part(weights + j, used);
      sum += w == T(0) ? V{} : L::value(zv, yv) * w;
      if (delta != nullptr) store_part(delta + j, L::slope(zv, yv) * (w * scale), used);
    }
    total += sum_lanes(sum);
  }
  return total;
}

template <class L>
double entry_loss_rows(const LossArguments<T>& arguments, Range rows) {
  const int64 columns = arguments.z.columns, count = rows.end - rows.begin;
  const auto losses = [&](int64 i, int64 entries, const T* weights, T weight) {
    return entry_losses<L>(arguments.z.data + i * arguments.z.row, arguments.targets + i * columns, weights, weight,
                           entries, arguments.delta_scale,
                           arguments.delta == nullptr ? nullptr : arguments.delta + i * columns);
  };
  const T* const weights = arguments.weights;
  if (arguments.z.row == columns && (weights == nullptr || columns == 1))
    return losses(rows.begin, count * columns, weights == nullptr ? nullptr : weights + rows.begin, T(1));
  double total = 0;
  for (int64 i = rows.begin; i < rows.end; ++i)
    total += losses(i, columns, nullptr, weights == nullptr ? T(1) : weights[i]);
  return total;
}

template <class L>
constexpr LossEntry<T> loss_entry() {
  return {L::name, L::link, L::mean_of_entries, false, L::lowest, L::highest, entry_loss_rows<L>};
}
template <class... L>
struct LossTable {
  static constexpr LossEntry<T> entries[] = {{"cross_entropy", "softmax", false, true, 0, 1, cross_entropy_rows},
                                             loss_entry<L>()...};
  static constexpr int count = 1 + sizeof...(L);
};
template <class... L>
constexpr LossTable<L...> losses_of(List<L...>);
using LossEntries = decltype(losses_of(Losses{}));

}  // namespace
}  // namespace nablas
