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

// The sum of e^(z - m) over one row; out, if `kept`, = e^(z - m).
template <bool kept>
T shifted_exponentials(const T* z, int64 columns, T m, T* out) {
  V sum{};
  int64 j = 0;
  for (; j + lanes <= columns; j += lanes) {
    const V e = exp(load(z + j) - m);
    if constexpr (kept) store(out + j, e);
    sum += e;
  }
  if (const int64 rest = columns - j; rest > 0) {
    const V e = exp(load_part(z + j, rest, m) - m);  // padding: e^0, since subnormal results are slow
    if constexpr (kept) store_part(out + j, e, rest);
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
    const T scale = T(1) / shifted_exponentials<true>(row, z.columns, max_of(row, z.columns), p);
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
    sum = shifted_exponentials<false>(z, columns, m, nullptr);
  } else {
    sum = shifted_exponentials<true>(z, columns, m, delta);
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

// One class index in each lane, 0 beyond the first `count`.
NABLAS_INLINE VI load_labels(const int64* labels, int64 labels_rs, int64 count) {
  typedef int64 Labels __attribute__((vector_size(lanes * sizeof(int64))));
  Labels label{};
  if (labels_rs == 1 && count == lanes)
    __builtin_memcpy(&label, labels, sizeof label);
  else
    for (int64 r = 0; r < count; ++r) label[r] = labels[r * labels_rs];
  return __builtin_convertvector(label, VI);
}

// f(j) for every column; unrolled where `columns` is a constant expression.
template <class F>
NABLAS_INLINE void for_columns(int64 columns, F f) {
  for (int64 j = 0; j < columns; ++j) f(j);
}
template <int columns, class F>
NABLAS_INLINE void for_columns(std::integral_constant<int, columns>, F f) {
  repeat<columns>(f);
}

// Cross-entropy of `count` rows from row i on, at most `blocks` * lanes, one row in each lane of a block; `losses` are
// 0 in lanes without a row. Blocks are computed side by side, since a row's steps wait for each other. `most` is
// `columns` or more.
template <int blocks, int64 most, class Columns>
NABLAS_INLINE void cross_entropy_in_lanes(const LossArguments<T>& arguments, int64 i, int64 count, Columns columns,
                                          T* losses) {
  const T smoothing = static_cast<T>(arguments.hyperparameters[0]), kept = 1 - smoothing, added = smoothing / columns;
  const auto rows_of = [&](auto b) NABLAS_LAMBDA { return at_most(at_least(count - b * lanes, 0), lanes); };
  V x[blocks][most], y[blocks][most];  // y becomes what the targets take from delta
  V m[blocks], scale[blocks], mass[blocks], expected[blocks], sum[blocks];
  repeat<blocks>([&](auto b) NABLAS_LAMBDA {
    const int64 first = i + b * lanes;
    scale[b] = broadcast(arguments.delta_scale);
    if (arguments.weights != nullptr) scale[b] *= load_part(arguments.weights + first, rows_of(b));
    load_columns_of(arguments.z.data + first * arguments.z.rs, arguments.z.rs, rows_of(b), columns, x[b]);
    m[b] = broadcast(-infinity);
    for_columns(columns, [&](auto j) NABLAS_LAMBDA { m[b] = x[b][j] > m[b] ? x[b][j] : m[b]; });
    const V of_targets = scale[b] * kept;
    expected[b] = V{};
    if (arguments.labels != nullptr) {
      const VI label = load_labels(arguments.labels + first * arguments.labels_rs, arguments.labels_rs, rows_of(b));
      for_columns(columns, [&](auto j) NABLAS_LAMBDA {
        const VI labelled = label == static_cast<I>(j);
        expected[b] = labelled ? x[b][j] : expected[b];
        y[b][j] = labelled ? of_targets : V{};
      });
      expected[b] -= m[b];
      mass[b] = broadcast(1);
    } else {
      load_columns_of(arguments.targets + first * columns, columns, rows_of(b), columns, y[b]);
      mass[b] = V{};
      for_columns(columns, [&](auto j) NABLAS_LAMBDA {
        mass[b] += y[b][j];
        expected[b] += y[b][j] == T(0) ? V{} : y[b][j] * (x[b][j] - m[b]);
        y[b][j] *= of_targets;
      });
    }
    if (smoothing != 0) {
      V shifted{};
      for_columns(columns, [&](auto j) NABLAS_LAMBDA { shifted += x[b][j] - m[b]; });
      expected[b] = kept * expected[b] + added * shifted;
      mass[b] = kept * mass[b] + smoothing;
    }
  });
  repeat<blocks>([&](auto b) NABLAS_LAMBDA {
    sum[b] = V{};
    for_columns(columns, [&](auto j) NABLAS_LAMBDA {
      x[b][j] = exp(x[b][j] - m[b]);
      sum[b] += x[b][j];
    });
  });
  repeat<blocks>([&](auto b) NABLAS_LAMBDA {
    store(losses + b * lanes, keep_part(mass[b] * log(sum[b]) - expected[b], rows_of(b), V{}));
  });
  if (arguments.delta == nullptr) return;
  repeat<blocks>([&](auto b) NABLAS_LAMBDA {
    const V share = scale[b] * mass[b] / sum[b], of_all = scale[b] * added;
    for_columns(columns, [&](auto j) NABLAS_LAMBDA {
      x[b][j] = x[b][j] * share - y[b][j];
      if (smoothing != 0) x[b][j] -= of_all;
    });
    store_columns_of(arguments.delta + (i + b * lanes) * arguments.delta_rs, arguments.delta_rs, rows_of(b), columns,
                     x[b]);
  });
}

// x[0] = the sum of 2 half numbers: the upper half is added to the lower one until one number is left.
template <int half>
NABLAS_INLINE void add_halves(double* x) {
  NABLAS_UNROLL
  for (int i = 0; i < half; ++i) x[i] += x[i + half];
  if constexpr (half > 1) add_halves<half / 2>(x);
}

// The weighted sum of the first loss_rows of `count` rows' losses, which are 0 beyond the last row.
NABLAS_INLINE double sum_of_losses(const T* losses, const T* weights, int64 count) {
  double terms[loss_rows];
  for (int64 r = 0; r < loss_rows; ++r) terms[r] = losses[r];
  for (int64 r = 0; weights != nullptr && r < at_most(count, loss_rows); ++r)
    terms[r] = weights[r] == T(0) ? 0.0 : static_cast<double>(weights[r]) * terms[r];
  add_halves<loss_rows / 2>(terms);
  return terms[0];
}

// -sum_j t_j log p_j with p = softmax(z); t = (1 - smoothing) y + smoothing / columns, whose sum is `mass`; y a class
// index or a row of targets. delta_j = (mass p_j - t_j) scale.
void cross_entropy_rows(const LossArguments<T>& arguments, Range rows, double* sums) {
  constexpr int blocks = 2;
  constexpr int64 side_by_side = blocks * lanes, together = at_least(loss_rows, side_by_side);
  static_assert(together % loss_rows == 0 && together % side_by_side == 0);
  const int64 columns = arguments.z.columns;
  if (columns == 0) return;
  const bool few = columns <= few_columns && arguments.z.rs == columns && arguments.delta_rs == columns;
  for (int64 i = rows.begin; i < rows.end; i += together) {
    const int64 count = at_most(rows.end - i, together);
    T losses[together] = {};
    if (few)
      with_columns(columns, [&](auto n) NABLAS_LAMBDA {
        for (int64 r = 0; r < count; r += side_by_side)
          cross_entropy_in_lanes<blocks, n>(arguments, i + r, at_most(count - r, side_by_side), n, losses + r);
      });
    else if (columns <= narrow_columns)
      for (int64 r = 0; r < count; r += lanes)
        cross_entropy_in_lanes<1, narrow_columns>(arguments, i + r, at_most(count - r, lanes), columns, losses + r);
    else
      for (int64 r = 0; r < count; ++r) losses[r] = cross_entropy_row(arguments, i + r);
    for (int64 r = 0; r < count; r += loss_rows)
      *sums++ +=
          sum_of_losses(losses + r, arguments.weights == nullptr ? nullptr : arguments.weights + i + r, count - r);
  }
}

}  // namespace
}  // namespace nablas
