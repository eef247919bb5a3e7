// The losses, from the preactivation z of the output activation they are linked to. To add one that is a sum
// over entries: a struct here and its name in `Losses`, and its formula in
// python/nablas/reference/losses.py.
//
// value(z, y) is one entry's loss, slope(z, y) its derivative by z. Cost: one pass over z and targets.
#pragma once

#include "kernels/activations.hpp"

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

template <class L>
double entry_loss_rows(const LossArguments<T>& arguments, Range rows) {
  const int64 columns = arguments.z.columns;
  double total = 0;
  for (int64 i = rows.begin; i < rows.end; ++i) {
    const T* z = arguments.z.data + i * arguments.z.row;
    const T* y = arguments.targets + i * columns;
    T* delta = arguments.delta == nullptr ? nullptr : arguments.delta + i * columns;
    const T weight = arguments.weights == nullptr ? T(1) : arguments.weights[i];
    const T scale = arguments.delta_scale * weight;
    double row_total = 0;
    V sum{};
    int64 j = 0;
    for (; j + lanes <= columns; j += lanes) {
      const V zv = load(z + j), yv = load(y + j);
      sum += L::value(zv, yv);
      if (delta != nullptr) store(delta + j, L::slope(zv, yv) * scale);
    }
    if (j > 0) row_total = sum_lanes(sum);
    if (const int64 rest = columns - j; rest > 0) {
      const V zv = load_part(z + j, rest), yv = load_part(y + j, rest);
      const V value = L::value(zv, yv);
      for (int64 q = 0; q < rest; ++q) row_total += value[q];
      if (delta != nullptr) store_part(delta + j, L::slope(zv, yv) * scale, rest);
    }
    total += weight == T(0) ? 0.0 : weight * row_total;
  }
  return total;
}

T max_of(const T* x, int64 count) {
  V most = broadcast(-infinity);
  int64 j = 0;
  for (; j + lanes <= count; j += lanes) most = larger(load(x + j), most);
  if (j < count) most = larger(load_part(x + j, count - j, -infinity), most);
  return max_lanes(most);
}

// out = e^(z - m) for one row; returns its sum
T shifted_exponentials(const T* z, int64 columns, T m, T* out) {
  V sum{};
  int64 j = 0;
  for (; j + lanes <= columns; j += lanes) {
    const V e = exp(load(z + j) - m);
    store(out + j, e);
    sum += e;
  }
  if (const int64 rest = columns - j; rest > 0) {
    const V e = exp(load_part(z + j, rest, m) - m);  // e^0 where there is padding: subnormal numbers are slow
    store_part(out + j, e, rest);
    sum += keep_part(e, rest, V{});
  }
  return sum_lanes(sum);
}

void softmax(const Matrix<const T>& z, T* out, int64 out_row) {
  if (z.columns == 0) return;
  for (int64 i = 0; i < z.rows; ++i) {
    const T* row = z.data + i * z.row;
    T* p = out + i * out_row;
    const T scale = T(1) / shifted_exponentials(row, z.columns, max_of(row, z.columns), p);
    for_each_vector(z.columns, [&](auto from, auto to) NABLAS_LAMBDA { to(p, from(p) * scale); });
  }
}

void softmax_slope(const Matrix<const T>& p, const T* gradient, T* delta) {
  for (int64 i = 0; i < p.rows; ++i) {
    const T* q = p.data + i * p.row;
    const T* g = gradient + i * p.columns;
    T* d = delta + i * p.columns;
    V sum{};
    for_each_vector(p.columns, [&](auto from, auto) NABLAS_LAMBDA { sum += from(q) * from(g); });
    const T mean = sum_lanes(sum);
    for_each_vector(p.columns, [&](auto from, auto to) NABLAS_LAMBDA { to(d, from(q) * (from(g) - mean)); });
  }
}

// Sum of y and of y (z - m) for one row of targets.
struct RowTargets {
  T mass, expected;
};
NABLAS_INLINE RowTargets row_targets(const T* z, const T* y, int64 columns, T m) {
  V masses{}, products{};
  for_each_vector(columns, [&](auto from, auto) NABLAS_LAMBDA {
    const V yv = from(y), zv = from(z);
    masses += yv;
    products += yv == T(0) ? V{} : yv * (zv - m);
  });
  return {sum_lanes(masses), sum_lanes(products)};
}

// What the loss of one row is made of: mass log(sum) - expected.
struct RowLoss {
  T sum;       // of e^(z - m)
  T mass;      // sum of y
  T expected;  // sum of y (z - m)
};

// One row of cross-entropy against label (when y is null) or distribution y; delta may be z, or null.
RowLoss cross_entropy_row(const T* z, const T* y, int64 label, int64 columns, T scale, T* delta) {
  constexpr int64 piece = 16 * lanes;
  const T m = max_of(z, columns);
  RowLoss row{0, 1, 0};
  if (y == nullptr) {
    row.expected = z[label] - m;
  } else {
    V masses{}, products{};
    for_each_vector(columns, [&](auto from, auto) NABLAS_LAMBDA {
      const V yv = from(y), zv = from(z);
      masses += yv;
      products += yv == T(0) ? V{} : yv * (zv - m);
    });
    row.mass = sum_lanes(masses);
    row.expected = sum_lanes(products);
  }
  if (delta == nullptr) {
    T scratch[piece];
    for (int64 j = 0; j < columns; j += piece)
      row.sum += shifted_exponentials(z + j, columns - j < piece ? columns - j : piece, m, scratch);
    return row;
  }
  row.sum = shifted_exponentials(z, columns, m, delta);
  const T share = scale * row.mass / row.sum;
  if (y == nullptr) {
    for_each_vector(columns, [&](auto from, auto to) NABLAS_LAMBDA { to(delta, from(delta) * share); });
    delta[label] -= scale;
  } else {
    for_each_vector(columns,
                    [&](auto from, auto to) NABLAS_LAMBDA { to(delta, from(delta) * share - from(y) * scale); });
  }
  return row;
}

// The same for a row that fits in one vector and a label, without a detour through memory.
NABLAS_INLINE RowLoss cross_entropy_short_row(const T* z, int64 label, int64 columns, T scale, T* delta) {
  const V zv = load_part(z, columns, -infinity);
  const T m = max_lanes(zv);
  const V e = keep_part(exp(keep_part(zv, columns, broadcast(m)) - m), columns, V{});
  const T sum = sum_lanes(e);
  const T expected = z[label] - m;
  if (delta != nullptr) {
    const V p = e * (scale / sum);
    store_part(delta, lane_numbers() == static_cast<I>(label) ? p - scale : p, columns);
  }
  return {sum, T(1), expected};
}

// -sum_j y_j log p_j with p = softmax(z), y a class or a distribution of any total mass;
// delta_j = (mass p_j - y_j) scale. The logarithms of all rows (at most `loss_rows`) are taken together.
double cross_entropy_rows(const LossArguments<T>& arguments, Range rows) {
  const int64 columns = arguments.z.columns, count = rows.end - rows.begin;
  if (columns == 0) return 0;
  T sums[loss_rows], masses[loss_rows], expected[loss_rows];
  for (int64 r = 0; r < loss_rows; ++r) sums[r] = 1;
  for (int64 r = 0; r < count; ++r) {
    const int64 i = rows.begin + r;
    const T* z = arguments.z.data + i * arguments.z.row;
    T* delta = arguments.delta == nullptr ? nullptr : arguments.delta + i * columns;
    const T scale = arguments.weights == nullptr ? arguments.delta_scale : arguments.delta_scale * arguments.weights[i];
    RowLoss row;
    if (arguments.labels == nullptr)
      row = cross_entropy_row(z, arguments.targets + i * columns, 0, columns, scale, delta);
    else if (columns <= lanes)
      row = cross_entropy_short_row(z, arguments.labels[i], columns, scale, delta);
    else
      row = cross_entropy_row(z, nullptr, arguments.labels[i], columns, scale, delta);
    sums[r] = row.sum;
    masses[r] = row.mass;
    expected[r] = row.expected;
  }
  for (int64 r = 0; r < loss_rows; r += lanes) store(sums + r, log(load(sums + r)));
  double total = 0;
  for (int64 r = 0; r < count; ++r) {
    const T weight = arguments.weights == nullptr ? T(1) : arguments.weights[rows.begin + r];
    const T loss = masses[r] * sums[r] - expected[r];
    total += weight == T(0) ? 0.0 : static_cast<double>(weight) * loss;
  }
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
