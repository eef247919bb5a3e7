// Softmax, its slope and its cross-entropy; contracts in table.hpp.
//
// p = e^(z - m) / sum, m the row's maximum: nothing overflows, and the loss never takes the log of a rounded p.
// Cost: one exponential per entry and a few passes over each row, which stays in L1.
#pragma once

#include "kernels/activations.hpp"
#include "kernels/columns.hpp"

namespace nablas {
namespace {

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
    const V e = exp(load_part(z + j, rest, m) - m);  // padding: e^0, since subnormal results are slow
    store_part(out + j, e, rest);
    sum += keep_part(e, rest, V{});
  }
  return sum_lanes(sum);
}

// Up to this many columns, `lanes` rows are processed together, one in each lane: maxima and sums need no reduction
// across lanes.
constexpr int64 narrow_columns = 64;

NABLAS_INLINE V max_of_columns(const V* x, int64 columns) {
  V m = broadcast(-infinity);
  for (int64 j = 0; j < columns; ++j) m = x[j] > m ? x[j] : m;
  return m;
}
// x = e^(x - m) in place; returns the sum over the columns, lane by lane.
NABLAS_INLINE V exponentials_of_columns(V* x, int64 columns, V m) {
  V sum{};
  for (int64 j = 0; j < columns; ++j) {
    x[j] = exp(x[j] - m);
    sum += x[j];
  }
  return sum;
}

void softmax_narrow(const Matrix<const T>& z, T* out, int64 out_rs) {
  V x[narrow_columns];
  for (int64 i = 0; i < z.rows; i += lanes) {
    const int64 rows = z.rows - i < lanes ? z.rows - i : lanes;
    load_columns(z.data + i * z.rs, z.rs, rows, z.columns, x);
    const V scale = T(1) / exponentials_of_columns(x, z.columns, max_of_columns(x, z.columns));
    for (int64 j = 0; j < z.columns; ++j) x[j] *= scale;
    store_columns(out + i * out_rs, out_rs, rows, z.columns, x);
  }
}

void softmax(const Matrix<const T>& z, T* out, int64 out_rs) {
  if (z.columns == 0) return;
  if (z.columns <= narrow_columns) {
    softmax_narrow(z, out, out_rs);
    return;
  }
  for (int64 i = 0; i < z.rows; ++i) {
    const T* row = z.data + i * z.rs;
    T* p = out + i * out_rs;
    const T scale = T(1) / shifted_exponentials(row, z.columns, max_of(row, z.columns), p);
    for_each_vector(z.columns, [&](auto from, auto to) NABLAS_LAMBDA { to(p, from(p) * scale); });
  }
}

void softmax_slope(const Matrix<const T>& p, const T* gradient, T* delta) {
  for (int64 i = 0; i < p.rows; ++i) {
    const T* q = p.data + i * p.rs;
    const T* g = gradient + i * p.columns;
    T* d = delta + i * p.columns;
    V sum{};
    for_each_vector(p.columns, [&](auto from, auto) NABLAS_LAMBDA { sum += from(q) * from(g); });
    const T mean = sum_lanes(sum);
    for_each_vector(p.columns, [&](auto from, auto to) NABLAS_LAMBDA { to(d, from(q) * (from(g) - mean)); });
  }
}

// Cross-entropy of row i: writes the row's delta unless null, returns the loss without its weight.
T cross_entropy_row(const LossArguments<T>& arguments, int64 i) {
  constexpr int64 piece = 16 * lanes;
  const int64 columns = arguments.z.columns;
  const T* const z = arguments.z.data + i * arguments.z.rs;
  const T* const y = arguments.labels == nullptr ? arguments.targets + i * columns : nullptr;
  T* const delta = arguments.delta == nullptr ? nullptr : arguments.delta + i * arguments.delta_rs;
  const int64 label = y == nullptr ? arguments.labels[i * arguments.labels_rs] : 0;
  const T m = max_of(z, columns), smoothing = static_cast<T>(arguments.hyperparameters[0]);
  const T kept = 1 - smoothing, added = smoothing / columns;
  T mass = 1, expected;
  if (y == nullptr) {
    expected = z[label] - m;
  } else {
    V masses{}, products{};
    for_each_vector(columns, [&](auto from, auto) NABLAS_LAMBDA {
      const V yv = from(y), zv = from(z);
      masses += yv;
      products += yv == T(0) ? V{} : yv * (zv - m);
    });
    mass = sum_lanes(masses);
    expected = sum_lanes(products);
  }
  if (smoothing != 0) {
    V shifted{};
    for (int64 j = 0; j < columns; j += lanes)
      shifted += load_part(z + j, columns - j < lanes ? columns - j : lanes, m) - m;
    expected = kept * expected + added * sum_lanes(shifted);
    mass = kept * mass + smoothing;
  }
  T sum = 0;
  if (delta == nullptr) {
    T scratch[piece];
    for (int64 j = 0; j < columns; j += piece)
      sum += shifted_exponentials(z + j, columns - j < piece ? columns - j : piece, m, scratch);
  } else {
    sum = shifted_exponentials(z, columns, m, delta);
    const T weight = arguments.weights == nullptr ? T(1) : arguments.weights[i];
    const T scale = arguments.delta_scale * weight, share = scale * mass / sum;
    if (y == nullptr) {
      for_each_vector(columns, [&](auto from, auto to) NABLAS_LAMBDA { to(delta, from(delta) * share); });
      delta[label] -= scale * kept;
    } else {
      const T of_targets = scale * kept;
      for_each_vector(columns,
                      [&](auto from, auto to) NABLAS_LAMBDA { to(delta, from(delta) * share - from(y) * of_targets); });
    }
    if (smoothing != 0)
      for_each_vector(columns, [&](auto from, auto to) NABLAS_LAMBDA { to(delta, from(delta) - added * scale); });
  }
  return mass * log(broadcast(sum))[0] - expected;
}

// The same for `count` (at most lanes) rows from row i on, of at most narrow_columns columns; losses[r] is the loss of
// row i + r.
void cross_entropy_narrow(const LossArguments<T>& arguments, int64 i, int64 count, T* losses) {
  const int64 columns = arguments.z.columns;
  const T* const z = arguments.z.data + i * arguments.z.rs;
  const int64* const labels = arguments.labels == nullptr ? nullptr : arguments.labels + i * arguments.labels_rs;
  const int64 labels_rs = arguments.labels_rs;
  const T smoothing = static_cast<T>(arguments.hyperparameters[0]), kept = 1 - smoothing, added = smoothing / columns;
  V x[narrow_columns], y[narrow_columns], mass = broadcast(1), expected{};
  load_columns(z, arguments.z.rs, count, columns, x);
  const V m = max_of_columns(x, columns);
  if (labels != nullptr) {
    T at_labels[lanes] = {};
    for (int64 r = 0; r < count; ++r) at_labels[r] = z[r * arguments.z.rs + labels[r * labels_rs]];
    expected = load(at_labels) - m;
  } else {
    load_columns(arguments.targets + i * columns, columns, count, columns, y);
    mass = V{};
    for (int64 j = 0; j < columns; ++j) {
      mass += y[j];
      expected += y[j] == T(0) ? V{} : y[j] * (x[j] - m);
    }
  }
  if (smoothing != 0) {
    V shifted{};
    for (int64 j = 0; j < columns; ++j) shifted += x[j] - m;
    expected = kept * expected + added * shifted;
    mass = kept * mass + smoothing;
  }
  const V sum = exponentials_of_columns(x, columns, m);
  store(losses, mass * log(sum) - expected);
  if (arguments.delta == nullptr) return;
  const V scale = arguments.weights == nullptr ? broadcast(arguments.delta_scale)
                                               : load_part(arguments.weights + i, count) * arguments.delta_scale;
  const V share = scale * mass / sum, of_targets = scale * kept;
  if (labels != nullptr)
    for (int64 j = 0; j < columns; ++j) x[j] *= share;
  else
    for (int64 j = 0; j < columns; ++j) x[j] = x[j] * share - y[j] * of_targets;
  if (smoothing != 0)
    for (int64 j = 0; j < columns; ++j) x[j] -= scale * added;
  const int64 rs = arguments.delta_rs;
  T* const delta = arguments.delta + i * rs;
  store_columns(delta, rs, count, columns, x);
  if (labels != nullptr)
    for (int64 r = 0; r < count; ++r) delta[r * rs + labels[r * labels_rs]] -= of_targets[r];
}

// -sum_j t_j log p_j with p = softmax(z); t = (1 - smoothing) y + smoothing / columns, whose sum is `mass`; y a class
// index or a row of targets. delta_j = (mass p_j - t_j) scale.
double cross_entropy_rows(const LossArguments<T>& arguments, Range rows) {
  const int64 columns = arguments.z.columns;
  if (columns == 0) return 0;
  const T* const weights = arguments.weights;
  double total = 0;
  for (int64 i = rows.begin; i < rows.end; i += lanes) {
    const int64 count = rows.end - i < lanes ? rows.end - i : lanes;
    T losses[lanes];
    if (columns <= narrow_columns)
      cross_entropy_narrow(arguments, i, count, losses);
    else
      for (int64 r = 0; r < count; ++r) losses[r] = cross_entropy_row(arguments, i + r);
    for (int64 r = 0; r < count; ++r) {
      const T weight = weights == nullptr ? T(1) : weights[i + r];
      total += weight == T(0) ? 0.0 : static_cast<double>(weight) * losses[r];
    }
  }
  return total;
}

}  // namespace
}  // namespace nablas
