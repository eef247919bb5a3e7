// C = epilogue(start + A B) for a rectangle of C; contract in table.hpp.
//
// Method: C is cut into tiles of tile_rows x tile_columns, held in registers during the sum over the depth. The depth
// is cut into blocks; their partial sums are stored in C. B is packed into panels of one tile's width (the last one
// padded) and A into panels of one tile's height where that is faster (repays_packing_b, repays_packing_a). Packed or
// not, each element adds the same products in the same order.
#pragma once

#include "kernels/column_sums.hpp"
#include "kernels/narrow.hpp"
#include "kernels/streaming.hpp"

namespace nablas {
namespace {

// Whether packing A is faster: a panel of A is read once for every panel of B. With unit row stride (a_rs == 1) A is
// packed by whole vectors, so fewer panels suffice. Rows a multiple of a page apart share a few sets of a cache.
bool repays_packing_a(const Gemm<T>& g, int64 panels) {
  constexpr int64 page = 4096 / sizeof(T);
  if (g.a_rs != 1) return panels >= panels_to_pack_a && (packs_any_rows || g.a_rs % page == 0);
  return panels >= (g.depth <= shallow_depth ? panels_to_pack_shallow : panels_to_pack_columns);
}
// Rows of a panel of an unpacked B that a first-level cache of 64 sets of 8 lines keeps: rows whose distance is a
// multiple of 2^k lines lie in 64 / 2^k of the sets. A distance of 0 repeats one row.
constexpr int64 cached_rows(int64 b_rs) {
  constexpr int64 line = 64 / sizeof(T), sets = 64, ways = 8;
  const int64 lines = b_rs / line;
  return b_rs == 0 || b_rs % line != 0 ? sets * ways : at_least(sets / (lines & -lines), 1) * ways;
}
bool leaves_first_level(int64 depth, int64 b_rs) { return waits_for_second_level && depth >= cached_rows(b_rs); }
// Whether packing B is faster: a panel of B is read once for every tile of rows. A small B stays in cache unpacked;
// from a row stride of half a page on, the rows of a panel lie on many pages.
bool repays_packing_b(const Gemm<T>& g, int64 rows, int64 columns) {
  constexpr int64 page = 4096 / sizeof(T), small = (1 << 18) / sizeof(T);
  if (g.b_panels != Panels::none) return g.b_panels == Panels::transposed;
  return g.b_cs != 1 || (!has_masked_loads && columns % lanes != 0) ||
         (rows > rows_to_pack_b && g.depth * columns > small) || (g.b_rs >= page / 2 && columns > 2 * tile_columns) ||
         (rows >= rows_to_pack_uncached_b && columns > tile_columns && leaves_first_level(g.depth, g.b_rs));
}

// A block of C's rows and columns, and of the depth: `depth` steps from p0 on. Packed operands, or null where they are
// read as they lie.
struct BlockOfC {
  Range rows, columns;
  int64 p0, depth;
  const T *packed_a, *packed_b;
  bool first, last;  // block of the depth
  bool sums;         // the last tile of rows, of at most summing_rows, adds up B's columns, too
};

NABLAS_INLINE void multiply_block(const Gemm<T>& g, const BlockOfC& block) {
  const bool finishing = block.last && finishes(g);
  InTile finish = finishing ? in_tile(g) : InTile{};
  const T* const a = g.a + block.p0 * g.a_cs;
  for (int64 j = block.columns.begin; j < block.columns.end; j += tile_columns) {
    const int64 width = at_most(block.columns.end - j, tile_columns), vectors = width > lanes ? 2 : 1;
    const int64 lanes_used = width - (vectors - 1) * lanes;
    const bool packed = block.packed_b != nullptr;
    const bool b_panels = g.b_panels == Panels::columns;
    const int64 b_rs = packed ? padded_width(width) : b_panels ? width : g.b_rs;
    const T* const b = packed ? block.packed_b + (j - block.columns.begin) / tile_columns * panel_of_b(block.depth)
                              : g.b + block.p0 * b_rs + (b_panels ? j * g.depth : j);
    T* const c_column = g.c + (g.c_panels ? j * g.c_rs : j);
    const int64 c_rs = g.c_panels ? width : g.c_rs;
    const Edge edge = lanes_used == lanes ? whole : packed ? ragged_padded : ragged_unpadded;
    const bool from_c = !block.first || g.accumulate;
    const T* const fresh = g.bias != nullptr ? g.bias + j : nullptr;
    for (int64 i = block.rows.begin, height; i < block.rows.end; i += height) {
      height = tile_height(block.rows.end - i);
      T* const c = c_column + i * c_rs;
      if (finish.kind == InTile::relu_slope) finish.kept = g.kept + i * g.kept_rs + j;
      const bool packed_a = block.packed_a != nullptr;
      const T* const rows = packed_a ? block.packed_a + (i - block.rows.begin) * block.depth : a + i * g.a_rs;
      const bool sums = block.sums && i + height == block.rows.end;
      if (sums) finish.sums = g.sums + j, finish.accumulates = g.accumulate;
      const TileFunction tile = sums ? summing_tile(height, vectors, edge) : tile_function(height, vectors, edge);
      tile(block.depth, rows, packed_a ? 1 : g.a_rs, packed_a ? height : g.a_cs, b, b_rs, from_c ? c : fresh,
           from_c ? c_rs : 0, c, c_rs, lanes_used, finish);
      if (finishing && finish.kind == InTile::nothing) finish_tile(g, i, j, height, width);
    }
  }
}

void sum_columns_of_b(const Gemm<T>& g, const Range& columns) {
  column_sums({g.b, g.depth, g.columns, g.b_rs}, columns, g.sums, g.accumulate);
}

// Sums of at most longest_sum terms, each from the first to the last. Ranges by reference: GCC copies one through
// memory, two stores that one load has to wait for.
NABLAS_INLINE void gemm_in_order(const Gemm<T>& g, const Range& rows, const Range& columns, T* workspace) {
  const bool streams = repays_streaming(g, rows.end - rows.begin, columns.end - columns.begin);
  if (!streams && repays_transposing(g, rows.end - rows.begin, columns.end - columns.begin)) {
    if (g.sums != nullptr && !sums_in_transposed(g, rows, columns)) sum_columns_of_b(g, columns);
    multiply_transposed(g, rows, columns);
    return;
  }
  if (streams || repays_rows_in_lanes(g, rows.end - rows.begin, columns.end - columns.begin)) {
    if (g.sums != nullptr) sum_columns_of_b(g, columns);
    if (streams)
      stream(g, rows, columns);
    else
      multiply_rows_in_lanes(g, rows, columns);
    return;
  }
  T* const packed_b = workspace;
  T* const packed_a = workspace + workspace_b;
  // Blocks of about equal depth: a short last block would read and write C for little arithmetic. Whole panels.
  const int64 panels = (g.depth + tile_columns - 1) / tile_columns;
  const int64 blocks = (g.depth + block_depth - 1) / block_depth;
  const int64 equal_depth = blocks > 1 ? (panels + blocks - 1) / blocks * tile_columns : g.depth;
  for (int64 j0 = columns.begin; j0 < columns.end; j0 += block_columns) {
    const int64 j1 = at_most(j0 + block_columns, columns.end);
    const bool use_packed_a = repays_packing_a(g, (j1 - j0 + tile_columns - 1) / tile_columns);
    const bool use_packed_b = repays_packing_b(g, rows.end - rows.begin, j1 - j0);
    const bool sums_in_tiles = blocks == 1 && rows.begin < rows.end &&
                               last_tile_height((rows.end - rows.begin - 1) % block_rows + 1) <= summing_rows;
    if (g.sums != nullptr && !sums_in_tiles) sum_columns_of_b(g, {j0, j1});
    int64 p0 = 0;
    do {
      const int64 depth = at_most(g.depth - p0, equal_depth);
      if (use_packed_b) pack_b(g, p0, depth, j0, j1, packed_b);
      for (int64 i0 = rows.begin; i0 < rows.end; i0 += block_rows) {
        const int64 i1 = at_most(i0 + block_rows, rows.end);
        if (use_packed_a) pack_block_of_a(g.a + p0 * g.a_cs + i0 * g.a_rs, g.a_rs, g.a_cs, i1 - i0, depth, packed_a);
        multiply_block(g, {{i0, i1},
                           {j0, j1},
                           p0,
                           depth,
                           use_packed_a ? packed_a : nullptr,
                           use_packed_b ? packed_b : nullptr,
                           p0 == 0,
                           p0 + depth == g.depth,
                           g.sums != nullptr && sums_in_tiles && i1 == rows.end});
      }
      p0 += depth;
    } while (p0 < g.depth);
  }
}

// The sums of C's rectangle, rows from i0 and columns from j0, as a tree of blocks: into `tree`, stride `columns`.
void tree_of_blocks(const Gemm<T>& g, int64 i0, int64 j0, int64 rows, int64 columns, T* workspace, T* tree) {
  const int64 block = block_of_sum(g.depth), count = rows * columns;
  int top = 0;  // sums in the tree; each holds twice as many blocks as the next, or more
  const auto add_last_two = [&] {
    --top;
    T* const left = tree + (top - 1) * tree_elements;
    const T* const right = tree + top * tree_elements;
    for (int64 i = 0; i < count; ++i) left[i] += right[i];
  };
  for (int64 p = 0, number = 1; p < g.depth; p += block, ++number) {
    Gemm<T> part{rows,
                 columns,
                 at_most(block, g.depth - p),
                 g.a + i0 * g.a_rs + p * g.a_cs,
                 g.a_rs,
                 g.a_cs,
                 g.b + p * g.b_rs + j0 * g.b_cs,
                 g.b_rs,
                 g.b_cs,
                 tree + top * tree_elements,
                 columns};
    if (p == 0 && g.bias != nullptr) part.bias = g.bias + j0;
    gemm_in_order(part, {0, rows}, {0, columns}, workspace);
    ++top;
    for (int64 done = number; done % 2 == 0; done /= 2) add_last_two();
  }
  while (top > 1) add_last_two();
}

__attribute__((noinline)) void gemm_of_long_sums(const Gemm<T>& g, Range rows, Range columns, T* workspace) {
  if (rows.begin >= rows.end) return;
  T* const tree = workspace + in_order_workspace;
  const int64 height = at_most(rows.end - rows.begin, tree_rows);
  const int64 width = tree_elements / height / tile_columns * tile_columns;
  const bool finishing = finishes(g);
  for (int64 j = columns.begin; j < columns.end; j += width)
    for (int64 i = rows.begin; i < rows.end; i += height) {
      const int64 own_rows = at_most(height, rows.end - i), own_columns = at_most(width, columns.end - j);
      tree_of_blocks(g, i, j, own_rows, own_columns, workspace, tree);
      for (int64 r = 0; r < own_rows; ++r)
        for (int64 k = 0; k < own_columns; ++k) g.c[(i + r) * g.c_rs + j + k] = tree[r * own_columns + k];
      if (finishing) finish_tile(g, i, j, own_rows, own_columns);
    }
}

void gemm(const Gemm<T>& g, Range rows, Range columns, T* workspace) {
  if (g.depth <= longest_sum) {
    gemm_in_order(g, rows, columns, workspace);
    return;
  }
  if (g.sums != nullptr) sum_columns_of_b(g, columns);
  gemm_of_long_sums(g, rows, columns, workspace);
}

}  // namespace
}  // namespace nablas
