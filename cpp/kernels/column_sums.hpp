// Sums of a matrix's columns; contract in table.hpp.
#pragma once

#include "kernels/packing.hpp"

namespace nablas {
namespace {

// Terms of a block: longest_sum, more only where tree_levels would not suffice.
int64 block_of_sum(int64 terms) {
  int64 block = longest_sum;
  while ((terms + block - 1) / block >= int64{1} << (tree_levels - 1)) block *= 2;
  return block;
}

// Column sums of C vectors side by side, since each sum waits for the latency of its additions, and lines of one row
// are fetched together. The last vector has `last` lanes, fewer than all if `ragged`.
template <int C, bool ragged>
void sum_vectors(const T* x, int64 rs, int64 rows, int64 last, T* out, bool accumulate) {
  const int64 block = block_of_sum(rows);
  const auto at = [&](const T* p, auto v) NABLAS_LAMBDA {
    return ragged && v == C - 1 ? load_part(p + v * lanes, last) : load(p + v * lanes);
  };
  V tree[tree_levels][C];  // as tree_of_blocks (gemm.hpp)
  int top = 0;
  int64 i = 0, number = 1;
  do {
    V sum[C] = {};
    if (accumulate && i == 0) repeat<C>([&](auto v) NABLAS_LAMBDA { sum[v] = at(out, v); });
    for (const int64 end = at_most(i + block, rows); i < end; ++i)
      repeat<C>([&](auto v) NABLAS_LAMBDA { sum[v] += at(x + i * rs, v); });
    for (int64 done = number; done % 2 == 0; done /= 2) {
      --top;
      repeat<C>([&](auto v) NABLAS_LAMBDA { sum[v] = tree[top][v] + sum[v]; });
    }
    repeat<C>([&](auto v) NABLAS_LAMBDA { tree[top][v] = sum[v]; });
    ++top;
    ++number;
  } while (i < rows);
  for (--top; top > 0; --top) repeat<C>([&](auto v) NABLAS_LAMBDA { tree[top - 1][v] += tree[top][v]; });
  repeat<C>([&](auto v)
                NABLAS_LAMBDA { store_part(out + v * lanes, tree[0][v], ragged && v == C - 1 ? last : lanes); });
}

void column_sums(const Matrix<const T>& x, Range columns, T* out, bool accumulate) {
  for (int64 j = columns.begin; j < columns.end;) {
    const int64 vectors = (columns.end - j + lanes - 1) / lanes, c = vectors >= 4 ? 4 : vectors >= 2 ? 2 : 1;
    const int64 last = at_most(columns.end - j - (c - 1) * lanes, lanes);
    const bool ragged = last < lanes;
    const auto sum = c == 4   ? (ragged ? sum_vectors<4, true> : sum_vectors<4, false>)
                     : c == 2 ? (ragged ? sum_vectors<2, true> : sum_vectors<2, false>)
                              : (ragged ? sum_vectors<1, true> : sum_vectors<1, false>);
    sum(x.data + j, x.rs, x.rows, last, out + j, accumulate);
    j += c * lanes;
  }
}

}  // namespace
}  // namespace nablas
