// C = epilogue(start + A B) for a rectangle of C; contract in table.hpp.
//
// Method: C is cut into tiles of tile_rows x tile_columns held in registers while the depth runs; the depth is
// cut into blocks whose partial sums wait in C. B is packed into panels of one tile's width where that pays or
// where its last panel is ragged (padded with zeros), A into panels of one tile's height where it is read
// often enough. Packed or not, each element adds the same products in the same order.
#pragma once

#include <utility>

#include "kernels/streaming.hpp"

namespace nablas {
namespace {

// One tile: c = start + a b over `depth` (at least 1), in R rows and C vectors, of which the last has `last` lanes (all
// of them unless `ragged`). With packed A the strides are constants; `padded` B has whole vectors even where C has not.
template <int R, int C, bool packed, bool ragged, bool padded>
void tile(int64 depth, const T* a, int64 a_row, int64 a_column, const T* b, int64 b_row, const T* start,
          int64 start_row, T* c, int64 c_row, int64 last) {
  if constexpr (packed) {
    a_row = 1;
    a_column = R;
  }
  constexpr auto is_part = [](int v) NABLAS_LAMBDA { return ragged && v == C - 1; };
  V sum[R][C];
  repeat<R>([&](auto r) NABLAS_LAMBDA {
    repeat<C>([&](auto v) NABLAS_LAMBDA {
      const T* from = start + r * start_row + v * lanes;
      sum[r][v] = is_part(v) ? load_part(from, last) : load(from);
    });
  });
  do {  // with no way around the loop the sums never leave their registers
    V row[C];
    repeat<C>([&](auto v) NABLAS_LAMBDA {
      row[v] = is_part(v) && !padded ? load_part(b + v * lanes, last) : load(b + v * lanes);
    });
    repeat<R>([&](auto r)
                  NABLAS_LAMBDA { repeat<C>([&](auto v) NABLAS_LAMBDA { sum[r][v] += a[r * a_row] * row[v]; }); });
    a += a_column;
    b += b_row;
  } while (--depth > 0);
  repeat<R>([&](auto r) NABLAS_LAMBDA {
    repeat<C>([&](auto v) NABLAS_LAMBDA {
      T* to = c + r * c_row + v * lanes;
      if (is_part(v))
        store_part(to, sum[r][v], last);
      else
        store(to, sum[r][v]);
    });
  });
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
// A panel of A is read once for every panel of B: packing repays from this many on. Rows of A that lie side
// by side (a_row == 1) are packed by whole vectors and repay earlier.
bool repays_packing_a(const Gemm<T>& g, int64 panels) { return panels >= (g.a_row == 1 ? 3 : 6); }
// A panel of B is read once for every tile of rows. A small B is in cache as it lies; of a wide one, the rows lie on
// pages of their own.
bool repays_packing_b(const Gemm<T>& g, int64 rows, int64 columns) {
  constexpr int64 page = 4096 / sizeof(T), small = (1 << 18) / sizeof(T);
  return g.b_column != 1 || (!has_masked_loads && columns % lanes != 0) ||
         (rows > 4 * tile_rows && g.depth * columns > small) || (g.b_row >= page / 2 && columns > 2 * tile_columns);
}

void gemm(const Gemm<T>& g, Range rows, Range columns, T* workspace) {
  if (repays_streaming(g, rows.end - rows.begin, columns.end - columns.begin)) {
    stream(g, rows, columns);
    return;
  }
  T* const packed_b = workspace;
  T* const packed_a = workspace + workspace_b;
  // Blocks of equal depth: a short last one would read and write C for little work.
  const int64 blocks = (g.depth + block_depth - 1) / block_depth;
  const int64 equal_depth = (g.depth + blocks - 1) / blocks;
  const bool finishing = finishes(g);
  for (int64 j0 = columns.begin; j0 < columns.end; j0 += block_columns) {
    const int64 j1 = at_most(j0 + block_columns, columns.end);
    const int64 panels = (j1 - j0 + tile_columns - 1) / tile_columns;
    const bool use_packed_a = repays_packing_a(g, panels);
    const bool use_packed_b = repays_packing_b(g, rows.end - rows.begin, j1 - j0);
    int64 p0 = 0;
    do {
      const int64 depth = at_most(g.depth - p0, equal_depth);
      const bool first = p0 == 0, last = p0 + depth == g.depth;
      if (use_packed_b) pack_b(g, p0, depth, j0, j1, packed_b);
      for (int64 i0 = rows.begin; i0 < rows.end; i0 += block_rows) {
        const int64 i1 = at_most(i0 + block_rows, rows.end);
        const T* const a = g.a + p0 * g.a_column;
        if (use_packed_a)
          for (int64 i = i0, height; i < i1; i += height) {
            height = tile_height(i1 - i);
            pack_a(a + i * g.a_row, g.a_row, g.a_column, height, depth, packed_a + (i - i0) * depth);
          }
        for (int64 j = j0; j < j1; j += tile_columns) {
          const int64 width = at_most(j1 - j, tile_columns), vectors = width > lanes ? 2 : 1;
          const int64 lanes_used = width - (vectors - 1) * lanes;
          const T* const b = use_packed_b ? packed_b + (j - j0) * block_depth : g.b + p0 * g.b_row + j;
          const int64 b_row = use_packed_b ? padded_width(width) : g.b_row;
          const Edge edge = lanes_used == lanes ? whole : use_packed_b ? ragged_padded : ragged_unpadded;
          const bool from_c = !first || g.accumulate;
          const T* const fresh = g.bias != nullptr ? g.bias + j : zeros;
          for (int64 i = i0, height; i < i1; i += height) {
            height = tile_height(i1 - i);
            T* const c = g.c + i * g.c_row + j;
            tile_function(height, vectors, use_packed_a, edge)(
                depth, use_packed_a ? packed_a + (i - i0) * depth : a + i * g.a_row, g.a_row, g.a_column, b, b_row,
                from_c ? c : fresh, from_c ? g.c_row : 0, c, g.c_row, lanes_used);
            if (last && finishing) finish_tile(g, i, j, height, width);
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
