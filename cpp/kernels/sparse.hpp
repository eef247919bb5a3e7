// Products with a sparse matrix in compressed rows (CSR); contracts in table.hpp.
//
// The terms of a sum come in the order of a product of dense matrices, whose other terms are zero. So results are those
// of the dense product, but for the sign of a zero and where W or delta is not finite.
#pragma once

#include "kernels/gemm.hpp"

namespace nablas {
namespace {

// Vectors of a row of W that are summed at a time.
constexpr int sparse_vectors = 4;

// A long row's terms are rows of W far apart: each is prefetched so many terms before.
constexpr int64 terms_ahead = 8;

// z[j .. j + width) of one row, width at most sparse_vectors * lanes: start + the sum of values[k] W[columns[k]].
struct SparseRow {
  const T* values;
  const std::int32_t* columns;
  int64 count;
};

template <int C>
NABLAS_INLINE void add_row(V (&sum)[C], T x, const T* w, int64 last) {
  repeat<C>([&](auto v)
                NABLAS_LAMBDA { sum[v] += x * (v == C - 1 ? load_part(w + v * lanes, last) : load(w + v * lanes)); });
}

template <int C>
NABLAS_INLINE void sparse_row(const SparseRow& row, int64 inputs, const T* w, int64 w_rs, const T* start, T* out,
                              int64 last) {
  V sum[C];
  repeat<C>([&](auto v)
                NABLAS_LAMBDA { sum[v] = v == C - 1 ? load_part(start + v * lanes, last) : load(start + v * lanes); });
  if (inputs <= longest_sum) {
    for (int64 k = 0; k < row.count; ++k) add_row<C>(sum, row.values[k], w + row.columns[k] * w_rs, last);
  } else {
    // The tree of blocks of tree_of_blocks (gemm.hpp). Blocks without terms are left out: they would add zeros. Two
    // sums of blocks are added as soon as the next block lies outside the smallest part of the tree that holds both:
    // number by number, the highest bit in which the blocks differ is that part's level.
    const int64 block = block_of_sum(inputs);
    V tree[tree_levels][C];
    int64 numbers[tree_levels];
    int top = 0;
    const auto add_last_two = [&] {
      --top;
      repeat<C>([&](auto v) NABLAS_LAMBDA { tree[top - 1][v] += tree[top][v]; });
      numbers[top - 1] = numbers[top];
    };
    int64 k = 0, number = 0;
    for (;;) {
      for (; k < row.count && row.columns[k] < (number + 1) * block; ++k) {
        if (k + terms_ahead < row.count) __builtin_prefetch(w + row.columns[k + terms_ahead] * w_rs);
        add_row<C>(sum, row.values[k], w + row.columns[k] * w_rs, last);
      }
      while (top > 1 && (numbers[top - 2] ^ numbers[top - 1]) < (numbers[top - 1] ^ number)) add_last_two();
      repeat<C>([&](auto v) NABLAS_LAMBDA { tree[top][v] = sum[v], sum[v] = V{}; });
      numbers[top++] = number;
      if (k == row.count) break;
      number = row.columns[k] / block;
    }
    while (top > 1) add_last_two();
    repeat<C>([&](auto v) NABLAS_LAMBDA { sum[v] = tree[0][v]; });
  }
  repeat<C>([&](auto v) NABLAS_LAMBDA {
    if (v == C - 1)
      store_part(out + v * lanes, sum[v], last);
    else
      store(out + v * lanes, sum[v]);
  });
}

NABLAS_INLINE SparseRow row_of(const SparseMatrix<T>& x, int64 i) {
  return {x.values + x.offsets[i], x.column_indices + x.offsets[i], x.offsets[i + 1] - x.offsets[i]};
}

void sparse_product(const SparseMatrix<T>& x, const int64* indices, int64 first, Range rows, const T* bias, const T* w,
                    int64 columns, T* out) {
  for (int64 i = rows.begin; i < rows.end; ++i) {
    const SparseRow row = row_of(x, indices != nullptr ? indices[first + i] : first + i);
    for (int64 j = 0; j < columns; j += sparse_vectors * lanes) {
      const int64 width = at_most(columns - j, sparse_vectors * lanes), vectors = (width + lanes - 1) / lanes;
      const int64 last = width - (vectors - 1) * lanes;
      T* const to = out + i * columns + j;
      static_assert(sparse_vectors == 4);
      if (vectors == 1) sparse_row<1>(row, x.columns, w + j, columns, bias + j, to, last);
      if (vectors == 2) sparse_row<2>(row, x.columns, w + j, columns, bias + j, to, last);
      if (vectors == 3) sparse_row<3>(row, x.columns, w + j, columns, bias + j, to, last);
      if (vectors == 4) sparse_row<4>(row, x.columns, w + j, columns, bias + j, to, last);
    }
  }
}

// The first of the row's terms whose column is at least `column`.
NABLAS_INLINE int64 first_from(const SparseRow& row, int64 column) {
  int64 low = 0, high = row.count;
  while (low < high) {
    const int64 middle = (low + high) / 2;
    if (row.columns[middle] < column)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void sparse_gradient(const SparseMatrix<T>& x, const int64* indices, int64 first, Range features,
                     const Matrix<const T>& delta, T* out, int64 out_rs, bool accumulate) {
  if (!accumulate)
    for (int64 i = 0; i < features.end - features.begin; ++i)
      for_each_vector(delta.columns, [&](auto, auto to) NABLAS_LAMBDA { to(out + i * out_rs, V{}); });
  for (int64 i = 0; i < delta.rows; ++i) {
    const SparseRow row = row_of(x, indices != nullptr ? indices[first + i] : first + i);
    const T* const from_delta = delta.data + i * delta.rs;
    const int64 end = features.end == x.columns ? row.count : first_from(row, features.end);
    for (int64 k = first_from(row, features.begin); k < end; ++k) {
      const T value = row.values[k];
      T* const to_row = out + (row.columns[k] - features.begin) * out_rs;
      for_each_vector(delta.columns,
                      [&](auto from, auto to) NABLAS_LAMBDA { to(to_row, from(to_row) + value * from(from_delta)); });
    }
  }
}

void sparse_gather(const SparseMatrix<T>& x, const int64* indices, int64 first, int64 count, T* out) {
  for (int64 i = 0; i < count; ++i) {
    const SparseRow row = row_of(x, indices != nullptr ? indices[first + i] : first + i);
    T* const to = out + i * x.columns;
    for (int64 j = 0; j < x.columns; ++j) to[j] = 0;
    for (int64 k = 0; k < row.count; ++k) to[row.columns[k]] += row.values[k];
  }
}

}  // namespace
}  // namespace nablas
