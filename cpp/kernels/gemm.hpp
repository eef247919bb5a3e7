// C = epilogue(start + A B) for a rectangle of C; contract in table.hpp.
//
// Method: C is cut into tiles of tile_rows x tile_columns held in registers while the depth runs; the depth is
// cut into blocks whose partial sums wait in C. B is packed into panels of one tile's width where that pays or
// where its last panel is ragged (padded with zeros), A into panels of one tile's height where it is read
// often enough. Packed or not, each element adds the same products in the same order.
#pragma once

#include <utility>

#include "kernels/activations.hpp"
#include "kernels/tiles.hpp"

namespace nablas {
namespace {

constexpr int64 workspace_b = block_depth * block_columns;
constexpr int64 gemm_workspace = workspace_b + block_rows * block_depth;

constexpr int64 at_most(int64 x, int64 limit) { return x < limit ? x : limit; }

// One tile: c = start + a b over `depth`, in R rows and C vectors. With packed A the strides are constants.
template <int R, int C, bool packed>
void tile(int64 depth, const T* a, int64 a_row, int64 a_column, const T* b, int64 b_row, const T* start,
          int64 start_row, T* c, int64 c_row) {
  if constexpr (packed) {
    a_row = 1;
    a_column = R;
  }
  V sum[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < C; ++v) sum[r][v] = load(start + r * start_row + v * lanes);
  for (int64 p = 0; p < depth; ++p, a += a_column, b += b_row) {
    V row[C];
#pragma GCC unroll 2
    for (int v = 0; v < C; ++v) row[v] = load(b + v * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < C; ++v) sum[r][v] += a[r * a_row] * row[v];
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < C; ++v) store(c + r * c_row + v * lanes, sum[r][v]);
}

using TileFunction = void (*)(int64, const T*, int64, int64, const T*, int64, const T*, int64, T*, int64);
struct TileTable {
  TileFunction rows[tile_rows];
};
template <int C, bool packed, std::size_t... r>
constexpr TileTable tile_table(std::index_sequence<r...>) {
  return {{tile<static_cast<int>(r) + 1, C, packed>...}};
}
using TileRows = std::make_index_sequence<tile_rows>;
// [vectors - 1][A is packed].rows[rows - 1]
constexpr TileTable tiles[tile_vectors][2] = {{tile_table<1, false>(TileRows{}), tile_table<1, true>(TileRows{})},
                                              {tile_table<2, false>(TileRows{}), tile_table<2, true>(TileRows{})}};
constexpr T zeros[tile_columns] = {};

// Copies `rows` x `depth` of A so that each step of the depth finds its rows side by side.
void pack_a(const T* a, int64 a_row, int64 a_column, int64 rows, int64 depth, T* out) {
  for (int64 p = 0; p < depth; ++p)
    for (int64 r = 0; r < rows; ++r) *out++ = a[r * a_row + p * a_column];
}

// Copies `depth` x `columns` of B into rows of `width`, padded with zeros.
void pack_b(const T* b, int64 b_row, int64 b_column, int64 depth, int64 columns, int64 width, T* out) {
  if (columns < width) __builtin_memset(out, 0, depth * width * sizeof(T));
  if (b_column == 1) {
    for (int64 p = 0; p < depth; ++p) __builtin_memcpy(out + p * width, b + p * b_row, columns * sizeof(T));
    return;
  }
  for (int64 j = 0; j < columns; ++j)
    for (int64 p = 0; p < depth; ++p) out[p * width + j] = b[p * b_row + j * b_column];
}

// A panel of A is read once for every panel of B: packing repays from this many on. Rows of A that lie side
// by side (a_row == 1) are packed by whole vectors and repay earlier.
bool repays_packing_a(const Gemm<T>& g, int64 panels) { return panels >= (g.a_row == 1 ? 3 : 6); }
// A panel of B is read once for every tile of rows.
bool repays_packing_b(const Gemm<T>& g, int64 rows) { return g.b_column != 1 || rows > 2 * tile_rows; }

void finish_tile(const Gemm<T>& g, int64 i, int64 j, int64 rows, int64 columns) {
  T* c = g.c + i * g.c_row + j;
  const Matrix<const T> block{c, rows, columns, g.c_row};
  if (g.preactivation != nullptr)
    for (int64 r = 0; r < rows; ++r)
      __builtin_memcpy(g.preactivation + (i + r) * g.c_row + j, c + r * g.c_row, columns * sizeof(T));
  if (g.activation != 0) ActivationEntries::entries[g.activation].value(block, c, g.c_row);
  if (g.gate_activation != 0)
    ActivationEntries::entries[g.gate_activation].multiply_slope(
        {g.gate + i * g.gate_row + j, rows, columns, g.gate_row}, c, g.c_row);
}

// One tile of at most tile_rows x tile_columns at (i, j); a ragged width goes through a padded copy.
void run_tile(const Gemm<T>& g, bool first, int64 depth, const T* a, int64 a_row, int64 a_column, bool packed,
              const T* b, int64 b_row, int64 i, int64 j, int64 rows, int64 columns) {
  const int vectors = columns > lanes ? 2 : 1;
  const int64 width = vectors * lanes;
  T* c = g.c + i * g.c_row + j;
  const T* start = zeros;
  int64 start_row = 0;
  if (!first || g.accumulate) {
    start = c;
    start_row = g.c_row;
  } else if (g.bias != nullptr) {
    start = g.bias + j;
  }
  const TileFunction run = tiles[vectors - 1][packed].rows[rows - 1];
  if (columns == width) {
    run(depth, a, a_row, a_column, b, b_row, start, start_row, c, g.c_row);
    return;
  }
  T padded[tile_rows * tile_columns];
  const int64 start_rows = start_row == 0 ? 1 : rows;
  for (int64 r = 0; r < start_rows; ++r)
    for (int64 q = 0; q < width; ++q)
      padded[r * width + q] = q < columns && start != zeros ? start[r * start_row + q] : T(0);
  run(depth, a, a_row, a_column, b, b_row, padded, start_row == 0 ? 0 : width, padded, width);
  for (int64 r = 0; r < rows; ++r) __builtin_memcpy(c + r * g.c_row, padded + r * width, columns * sizeof(T));
}

void gemm(const Gemm<T>& g, Range rows, Range columns, T* workspace) {
  T* const packed_b = workspace;
  T* const packed_a = workspace + workspace_b;
  for (int64 j0 = columns.begin; j0 < columns.end; j0 += block_columns) {
    const int64 j1 = at_most(j0 + block_columns, columns.end);
    const int64 panels = (j1 - j0 + tile_columns - 1) / tile_columns;
    const bool use_packed_a = repays_packing_a(g, panels), use_packed_b = repays_packing_b(g, rows.end - rows.begin);
    int64 p0 = 0;
    do {
      const int64 depth = at_most(g.depth - p0, block_depth);
      const bool first = p0 == 0, last = p0 + depth == g.depth;
      const auto is_packed = [&](int64 width) { return use_packed_b || (width != tile_columns && width != lanes); };
      const auto width_of = [&](int64 j) { return at_most(j1 - j, tile_columns); };
      const auto padded_width = [](int64 width) { return width > lanes ? tile_columns : int64{lanes}; };
      for (int64 j = j0; j < j1; j += tile_columns)
        if (const int64 width = width_of(j); is_packed(width))
          pack_b(g.b + p0 * g.b_row + j * g.b_column, g.b_row, g.b_column, depth, width, padded_width(width),
                 packed_b + (j - j0) * block_depth);
      for (int64 i0 = rows.begin; i0 < rows.end; i0 += block_rows) {
        const int64 i1 = at_most(i0 + block_rows, rows.end);
        const T* const a = g.a + p0 * g.a_column;
        if (use_packed_a)
          for (int64 i = i0; i < i1; i += tile_rows)
            pack_a(a + i * g.a_row, g.a_row, g.a_column, at_most(i1 - i, tile_rows), depth,
                   packed_a + (i - i0) * depth);
        for (int64 j = j0; j < j1; j += tile_columns) {
          const int64 width = width_of(j);
          const bool packed = is_packed(width);
          const T* const b = packed ? packed_b + (j - j0) * block_depth : g.b + p0 * g.b_row + j;
          const int64 b_row = packed ? padded_width(width) : g.b_row;
          for (int64 i = i0; i < i1; i += tile_rows) {
            const int64 height = at_most(i1 - i, tile_rows);
            const T* const from = use_packed_a ? packed_a + (i - i0) * depth : a + i * g.a_row;
            run_tile(g, first, depth, from, g.a_row, g.a_column, use_packed_a, b, b_row, i, j, height, width);
            if (last) finish_tile(g, i, j, height, width);
          }
        }
      }
      p0 += depth;
    } while (p0 < g.depth);
  }
}

void column_sums(const Matrix<const T>& x, Range columns, T* out, bool accumulate) {
  for (int64 j = columns.begin; j < columns.end; j += lanes) {
    const int64 width = at_most(columns.end - j, lanes);
    V sum = accumulate ? load_part(out + j, width) : V{};
    if (width == lanes)
      for (int64 i = 0; i < x.rows; ++i) sum += load(x.data + i * x.row + j);
    else
      for (int64 i = 0; i < x.rows; ++i) sum += load_part(x.data + i * x.row + j, width);
    store_part(out + j, sum, width);
  }
}

}  // namespace
}  // namespace nablas
