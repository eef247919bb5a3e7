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

// One tile: c = start + a b over `depth`, in R rows and C vectors, of which the last has `last` lanes (all of them
// unless `ragged`). With packed A the strides are constants; `padded` B has whole vectors even where C has not.
template <int R, int C, bool packed, bool ragged, bool padded>
void tile(int64 depth, const T* a, int64 a_row, int64 a_column, const T* b, int64 b_row, const T* start,
          int64 start_row, T* c, int64 c_row, int64 last) {
  if constexpr (packed) {
    a_row = 1;
    a_column = R;
  }
  const auto is_part = [](int v) NABLAS_LAMBDA { return ragged && v == C - 1; };
  V sum[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < C; ++v) {
      const T* from = start + r * start_row + v * lanes;
      sum[r][v] = is_part(v) ? load_part(from, last) : load(from);
    }
  for (int64 p = 0; p < depth; ++p, a += a_column, b += b_row) {
    V row[C];
#pragma GCC unroll 2
    for (int v = 0; v < C; ++v) row[v] = is_part(v) && !padded ? load_part(b + v * lanes, last) : load(b + v * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < C; ++v) sum[r][v] += a[r * a_row] * row[v];
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < C; ++v) {
      T* to = c + r * c_row + v * lanes;
      if (is_part(v))
        store_part(to, sum[r][v], last);
      else
        store(to, sum[r][v]);
    }
}

using TileFunction = void (*)(int64, const T*, int64, int64, const T*, int64, const T*, int64, T*, int64, int64);
struct TileTable {
  TileFunction rows[tile_rows];
};
template <int C, bool packed, bool ragged, bool padded, std::size_t... r>
constexpr TileTable tile_table(std::index_sequence<r...>) {
  return {{tile<static_cast<int>(r) + 1, C, packed, ragged, padded>...}};
}
using TileRows = std::make_index_sequence<tile_rows>;
enum Edge { whole, ragged_unpadded, ragged_padded, edge_count };
template <int C, bool packed>
constexpr TileTable tile_edges[edge_count] = {tile_table<C, packed, false, true>(TileRows{}),
                                              tile_table<C, packed, true, false>(TileRows{}),
                                              tile_table<C, packed, true, true>(TileRows{})};
// The tile for so many rows and vectors.
TileFunction tile_function(int64 rows, int64 vectors, bool packed, Edge edge) {
  const TileTable* tables = vectors == 1 ? (packed ? tile_edges<1, true> : tile_edges<1, false>)
                                         : (packed ? tile_edges<2, true> : tile_edges<2, false>);
  return tables[edge].rows[rows - 1];
}
constexpr T zeros[tile_columns] = {};

// Copies `rows` x `depth` of A so that each step of the depth finds its rows side by side.
void pack_a(const T* a, int64 a_row, int64 a_column, int64 rows, int64 depth, T* out) {
  if (a_row == 1 && rows == tile_rows && has_masked_loads) {
    constexpr int vectors = (tile_rows + lanes - 1) / lanes, last = tile_rows - (vectors - 1) * lanes;
    for (int64 p = 0; p < depth; ++p, out += tile_rows)
      for (int v = 0; v < vectors; ++v) {
        const T* from = a + p * a_column + v * lanes;
        if (v < vectors - 1)
          store(out + v * lanes, load(from));
        else
          store_part(out + v * lanes, load_part(from, last), last);
      }
    return;
  }
  for (int64 p = 0; p < depth; ++p)
    for (int64 r = 0; r < rows; ++r) *out++ = a[r * a_row + p * a_column];
}

// lanes x lanes elements: out(i, j) = in(j, i). log2(lanes) rounds, each interleaving the halves.
void transpose_block(const T* in, int64 in_row, T* out, int64 out_row) {
  V x[lanes], y[lanes];
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i) x[i] = load(in + i * in_row);
#pragma GCC unroll 4
  for (int round = 1; round < lanes; round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < lanes / 2; ++i) {
      y[2 * i] = interleave_low(x[i], x[i + lanes / 2]);
      y[2 * i + 1] = interleave_high(x[i], x[i + lanes / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) x[i] = y[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i) store(out + i * out_row, x[i]);
}

// Copies `depth` x `columns` of B into rows of `width`, padded with zeros.
void pack_b(const T* b, int64 b_row, int64 b_column, int64 depth, int64 columns, int64 width, T* out) {
  if (b_column == 1) {
    for (int64 p = 0; p < depth; ++p)
      for (int64 j = 0; j < width; j += lanes)
        store(out + p * width + j,
              columns - j >= lanes ? load(b + p * b_row + j) : load_part(b + p * b_row + j, columns - j));
    return;
  }
  if (columns < width) __builtin_memset(out, 0, depth * width * sizeof(T));
  const int64 whole_depth = b_row == 1 ? depth / lanes * lanes : 0;
  const int64 whole_columns = b_row == 1 ? columns / lanes * lanes : 0;
  for (int64 j = 0; j < whole_columns; j += lanes)
    for (int64 p = 0; p < whole_depth; p += lanes)
      transpose_block(b + p + j * b_column, b_column, out + p * width + j, width);
  for (int64 j = 0; j < columns; ++j)
    for (int64 p = j < whole_columns ? whole_depth : 0; p < depth; ++p)
      out[p * width + j] = b[p * b_row + j * b_column];
}

// A panel of A is read once for every panel of B: packing repays from this many on. Rows of A that lie side
// by side (a_row == 1) are packed by whole vectors and repay earlier.
bool repays_packing_a(const Gemm<T>& g, int64 panels) { return panels >= (g.a_row == 1 ? 3 : 6); }
// A panel of B is read once for every tile of rows.
bool repays_packing_b(const Gemm<T>& g, int64 rows) { return g.b_column != 1 || rows > 4 * tile_rows; }

void finish_tile(const Gemm<T>& g, int64 i, int64 j, int64 rows, int64 columns) {
  T* c = g.c + i * g.c_row + j;
  const Matrix<const T> block{c, rows, columns, g.c_row};
  if (g.preactivation != nullptr)
    map_rows(block, g.preactivation + i * g.c_row + j, g.c_row, [](V x, auto) NABLAS_LAMBDA { return x; });
  if (g.activation != 0) ActivationEntries::entries[g.activation].value(block, c, g.c_row);
  if (g.gate_activation != 0)
    ActivationEntries::entries[g.gate_activation].multiply_slope(
        {g.gate + i * g.gate_row + j, rows, columns, g.gate_row}, c, g.c_row);
}

void gemm(const Gemm<T>& g, Range rows, Range columns, T* workspace) {
  T* const packed_b = workspace;
  T* const packed_a = workspace + workspace_b;
  const bool finishes = g.preactivation != nullptr || g.activation != 0 || g.gate_activation != 0;
  for (int64 j0 = columns.begin; j0 < columns.end; j0 += block_columns) {
    const int64 j1 = at_most(j0 + block_columns, columns.end);
    const int64 panels = (j1 - j0 + tile_columns - 1) / tile_columns;
    const bool use_packed_a = repays_packing_a(g, panels);
    const bool use_packed_b = repays_packing_b(g, rows.end - rows.begin);
    int64 p0 = 0;
    do {
      const int64 depth = at_most(g.depth - p0, block_depth);
      const bool first = p0 == 0, last = p0 + depth == g.depth;
      const auto is_packed = [&](int64 width) { return use_packed_b || (!has_masked_loads && width % lanes != 0); };
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
          const int64 width = width_of(j), vectors = width > lanes ? 2 : 1, lanes_used = width - (vectors - 1) * lanes;
          const bool packed = is_packed(width);
          const T* const b = packed ? packed_b + (j - j0) * block_depth : g.b + p0 * g.b_row + j;
          const int64 b_row = packed ? padded_width(width) : g.b_row;
          const Edge edge = lanes_used == lanes ? whole : packed ? ragged_padded : ragged_unpadded;
          const bool from_c = !first || g.accumulate;
          const T* const fresh = g.bias != nullptr ? g.bias + j : zeros;
          for (int64 i = i0; i < i1; i += tile_rows) {
            const int64 height = at_most(i1 - i, tile_rows);
            T* const c = g.c + i * g.c_row + j;
            tile_function(height, vectors, use_packed_a, edge)(
                depth, use_packed_a ? packed_a + (i - i0) * depth : a + i * g.a_row, g.a_row, g.a_column, b, b_row,
                from_c ? c : fresh, from_c ? g.c_row : 0, c, g.c_row, lanes_used);
            if (last && finishes) finish_tile(g, i, j, height, width);
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
