// C = epilogue(start + A B) for C of few columns, whose rows are in the lanes of vectors; contract in table.hpp. A tile
// would leave most lanes unused. Each element adds the same products in the same order as in a tile.
#pragma once

#include "kernels/columns.hpp"
#include "kernels/micro_kernel.hpp"
#include "kernels/streaming.hpp"

namespace nablas {
namespace {

// Rows and depth from which the rearrangement of operands is repaid.
constexpr int64 least_narrow = lanes / 2;

// ---- A has contiguous columns (a gradient): C's transpose in tiles ---------------------------------------------

// Where at most three quarters of the lanes of C's vectors would be used.
constexpr bool leaves_lanes_unused(int64 columns) {
  return columns <= tile_columns && columns * 4 <= (columns + lanes - 1) / lanes * lanes * 3;
}
bool repays_transposing(const Gemm<T>& g, int64 rows, int64 columns) {
  return g.a_rs == 1 && g.a_cs != 1 && g.bias == nullptr && g.b_panels == Panels::none && !g.c_panels &&
         leaves_lanes_unused(columns) && rows >= least_narrow && g.depth >= least_narrow;
}

// Whether the sums of B's columns, rows of the transpose, fit beside it as one more column.
bool sums_in_transposed(const Gemm<T>& g, Range rows, Range columns) {
  return g.sums != nullptr && rows.end - rows.begin < tile_columns && columns.end - columns.begin <= rows_with_ones;
}

void multiply_transposed(const Gemm<T>& g, Range rows, Range columns) {
  const int64 n = columns.end - columns.begin, ones = sums_in_transposed(g, rows, columns) ? 1 : 0;
  const bool finishing = finishes(g);
  V sums[tile_columns][tile_vectors];  // (n, tile_columns)
  V x[at_least(tile_columns, few_columns)];
  for (int64 i = rows.begin; i < rows.end; i += tile_columns) {
    const int64 width = at_most(rows.end - i, tile_columns), all = width + ones, vectors = all > lanes ? 2 : 1;
    const int64 last = all - (vectors - 1) * lanes;
    const auto part = [&](int64 v) NABLAS_LAMBDA { return at_most(width - v * lanes, lanes); };
    T* const to = g.c + i * g.c_rs + columns.begin;
    for (int64 v = 0; g.accumulate && v < vectors; ++v) {
      load_columns(to + v * lanes * g.c_rs, g.c_rs, part(v), n, x);
      for (int64 j = 0; j < n; ++j) sums[j][v] = x[j];
      if (ones != 0 && v + 1 == vectors)
        for (int64 j = 0; j < n; ++j) sums[j][v][last - 1] = g.sums[columns.begin + j];
    }
    for (int64 j = 0, height; j < n; j += height) {
      height = tile_height(n - j);
      T* const c = reinterpret_cast<T*>(sums[j]);
      const TileFunction tile = ones != 0 ? tile_with_ones(height, vectors)
                                          : tile_function(height, vectors, last == lanes ? whole : ragged_unpadded);
      tile(g.depth, g.b + (columns.begin + j) * g.b_cs, g.b_cs, g.b_rs, g.a + i, g.a_cs, g.accumulate ? c : nullptr,
           tile_columns, c, tile_columns, last, InTile{});
    }
    for (int64 v = 0; v < vectors; ++v) {
      for (int64 j = 0; j < n; ++j) x[j] = sums[j][v];
      store_columns(to + v * lanes * g.c_rs, g.c_rs, part(v), n, x);
    }
    for (int64 j = 0; ones != 0 && j < n; ++j) g.sums[columns.begin + j] = sums[j][vectors - 1][last - 1];
    if (finishing) finish_tile(g, i, columns.begin, width, n);
  }
}

// ---- A has contiguous rows: blocks of them are transposed --------------------------------------------------------

bool repays_rows_in_lanes(const Gemm<T>& g, int64 rows, int64 columns) {
  return g.a_cs == 1 && !g.accumulate && g.b_panels == Panels::none && !g.c_panels && columns <= lane_columns &&
         rows >= least_narrow && (g.depth >= least_narrow || (g.depth <= few_columns && g.depth == g.a_rs));
}

template <int n>
void multiply_in_lanes(const Gemm<T>& g, Range rows, int64 j) {
  const bool finishing = finishes(g), few = g.depth <= few_columns && g.depth == g.a_rs;
  for (int64 i = rows.begin; i < rows.end; i += lanes) {
    const int64 height = at_most(rows.end - i, lanes);
    T* const to = g.c + i * g.c_rs + j;
    V x[at_least(lanes, few_columns)], sum[n];
    repeat<n>([&](auto q) NABLAS_LAMBDA { sum[q] = g.bias != nullptr ? broadcast(g.bias[j + q]) : V{}; });
    const T* b = g.b + j * g.b_cs;
    const auto add = [&](auto k) NABLAS_LAMBDA {
      repeat<n>([&](auto q) NABLAS_LAMBDA { sum[q] += b[q * g.b_cs] * x[k]; });
      b += g.b_rs;
    };
    const T* const a = g.a + i * g.a_rs;
    if (few) {
      with_entries(height, g.depth, [&](auto depth, int64 count) NABLAS_LAMBDA {
        load_few_columns<depth>(a, count, x);
        repeat<depth>(add);
      });
    } else {
      for (int64 p = 0; p < g.depth; p += lanes) {
        const int64 steps = at_most(g.depth - p, lanes);
        load_columns(a + p, g.a_rs, height, steps, x);
        if (steps == lanes)
          repeat<lanes>(add);
        else
          for (int64 k = 0; k < steps; ++k) add(k);
      }
    }
    if (g.c_rs == n) {
      store_few_columns<n>(to, height == lanes ? n * lanes : n * height, sum);
    } else {
      repeat<n>([&](auto q) NABLAS_LAMBDA { x[q] = sum[q]; });
      store_columns(to, g.c_rs, height, n, x);
    }
    if (finishing) finish_tile(g, i, j, height, n);
  }
}

template <int64 most = lane_columns>  // a template, so that nothing is compiled where it is 0
void multiply_rows_in_lanes(const Gemm<T>& g, Range rows, Range columns) {
  if constexpr (most > 0)
    with_columns<most>(columns.end - columns.begin, [&](auto n) { multiply_in_lanes<n>(g, rows, columns.begin); });
}

}  // namespace
}  // namespace nablas
