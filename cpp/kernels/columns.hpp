// Columns of a narrow matrix as vectors, one row in each lane, and back.
#pragma once

#include "kernels/transpose.hpp"

namespace nablas {
namespace {

// Up to this many columns of contiguous rows are rearranged from vector to vector, with fewer moves than a block of
// lanes x lanes is transposed.
constexpr int64 few_columns = 4;

// f(columns) with `columns`, at most few_columns, as a constant expression.
template <int count = few_columns, class F>
NABLAS_INLINE void with_columns(int64 columns, F f) {
  if (columns == count)
    f(std::integral_constant<int, count>{});
  else if constexpr (count > 1)
    with_columns<count - 1>(columns, f);
}

// The same with the number of entries of `rows` rows, a constant expression too where they fill the lanes.
template <class F>
NABLAS_INLINE void with_entries(int64 rows, int64 columns, F f) {
  with_columns(columns, [&](auto n) NABLAS_LAMBDA {
    if (rows == lanes)
      f(n, n * lanes);
    else
      f(n, n * rows);
  });
}

// Entry (i, j) of contiguous rows of n entries is lane i of column j, and lane (i n + j) % lanes of vector
// (i n + j) / lanes. Here `to`'s lanes that come from vector or column `next` and later, for `from` of n vectors:
template <int n, int j, int next, std::size_t... i>
NABLAS_INLINE V column_of(V to, const V* from, std::index_sequence<i...> all) {
  if constexpr (next == n)
    return to;
  else
    return column_of<n, j, next + 1>(
        __builtin_shufflevector(to, from[next], ((i * n + j) / lanes == next ? lanes + (i * n + j) % lanes : i)...),
        from, all);
}
template <int n, int v, int next, std::size_t... i>
NABLAS_INLINE V vector_of(V to, const V* from, std::index_sequence<i...> all) {
  if constexpr (next == n)
    return to;
  else
    return vector_of<n, v, next + 1>(
        __builtin_shufflevector(to, from[next], ((v * lanes + i) % n == next ? lanes + (v * lanes + i) / n : i)...),
        from, all);
}
// Of `count` entries, those in vector v.
NABLAS_INLINE int64 entries_of(int v, int64 count) {
  const int64 rest = count - v * lanes;
  return rest < 0 ? 0 : rest < lanes ? rest : lanes;
}
template <int n>
NABLAS_INLINE void load_few_columns(const T* from, int64 count, V* x) {
  V vectors[n];
  repeat<n>([&](auto v) NABLAS_LAMBDA { vectors[v] = load_part(from + v * lanes, entries_of(v, count)); });
  repeat<n>([&](auto j) NABLAS_LAMBDA { x[j] = column_of<n, j, 0>(V{}, vectors, std::make_index_sequence<lanes>{}); });
}
template <int n>
NABLAS_INLINE void store_few_columns(T* to, int64 count, const V* x) {
  repeat<n>([&](auto v) NABLAS_LAMBDA {
    store_part(to + v * lanes, vector_of<n, v, 0>(V{}, x, std::make_index_sequence<lanes>{}), entries_of(v, count));
  });
}

// x[j] = column j of `rows` (at most lanes) rows beginning at `from`; unused lanes hold zeros. x has room for
// few_columns or a multiple of lanes, whichever is more: columns beyond the last may be written.
__attribute__((noinline)) void load_columns(const T* from, int64 rs, int64 rows, int64 columns, V* x) {
  if (rs == columns && columns <= few_columns) {
    with_entries(rows, columns, [&](auto n, int64 count) NABLAS_LAMBDA { load_few_columns<n>(from, count, x); });
    return;
  }
  for (int64 j = 0; j < columns; j += lanes) {
    const int64 width = columns - j < lanes ? columns - j : lanes;
    V block[lanes];
    if (rows == lanes)
      repeat<lanes>([&](auto r) NABLAS_LAMBDA { block[r] = load_part(from + r * rs + j, width); });
    else
      for (int64 r = 0; r < lanes; ++r) block[r] = r < rows ? load_part(from + r * rs + j, width) : V{};
    transpose(block);
    repeat<lanes>([&](auto q) NABLAS_LAMBDA { x[j + q] = block[q]; });
  }
}
// The reverse; columns beyond the last are not read.
__attribute__((noinline)) void store_columns(T* to, int64 rs, int64 rows, int64 columns, const V* x) {
  if (rs == columns && columns <= few_columns) {
    with_entries(rows, columns, [&](auto n, int64 count) NABLAS_LAMBDA { store_few_columns<n>(to, count, x); });
    return;
  }
  for (int64 j = 0; j < columns; j += lanes) {
    const int64 width = columns - j < lanes ? columns - j : lanes;
    V block[lanes];
    repeat<lanes>([&](auto q) NABLAS_LAMBDA { block[q] = q < width ? x[j + q] : V{}; });
    transpose(block);
    if (rows == lanes)
      repeat<lanes>([&](auto r) NABLAS_LAMBDA { store_part(to + r * rs + j, block[r], width); });
    else
      for (int64 r = 0; r < rows; ++r) store_part(to + r * rs + j, block[r], width);
  }
}

// The same for contiguous rows of few columns, a constant expression: inline, and `x` may stay in registers.
NABLAS_INLINE void load_columns_of(const T* from, int64 rs, int64 rows, int64 columns, V* x) {
  load_columns(from, rs, rows, columns, x);
}
template <int columns>
NABLAS_INLINE void load_columns_of(const T* from, int64, int64 rows, std::integral_constant<int, columns>, V* x) {
  load_few_columns<columns>(from, columns * rows, x);
}
NABLAS_INLINE void store_columns_of(T* to, int64 rs, int64 rows, int64 columns, const V* x) {
  store_columns(to, rs, rows, columns, x);
}
template <int columns>
NABLAS_INLINE void store_columns_of(T* to, int64, int64 rows, std::integral_constant<int, columns>, const V* x) {
  store_few_columns<columns>(to, columns * rows, x);
}

}  // namespace
}  // namespace nablas
