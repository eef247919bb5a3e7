// Copies of A and B in the order in which the tiles of gemm.hpp read them.
#pragma once

#include "kernels/columns.hpp"
#include "kernels/table.hpp"
#include "kernels/tiles.hpp"

namespace nablas {
namespace {

// Elements from one panel of B to the next. A vector more than a panel has: panels at a distance of a power of two
// would share few sets of a cache.
constexpr int64 panel_of_b(int64 depth) { return depth * tile_columns + lanes; }

constexpr int64 workspace_b = panel_of_b(block_depth) * (block_columns / tile_columns);
constexpr int64 in_order_workspace = workspace_b + block_rows * block_depth + lanes;
// A rectangle of C whose sums are longer than longest_sum: at most tree_rows rows and tree_elements elements; the
// blocks' sums not yet added to others, at most tree_levels of them.
constexpr int64 tree_rows = 128, tree_elements = 1 << 14;
constexpr int tree_levels = 24;
constexpr int64 gemm_workspace = in_order_workspace + tree_levels * tree_elements;

// Rows of the next tile when `rows_left` remain. A tile of fewer than full_rate_rows rows is bound by the FMA's
// latency, so a short last tile is split evenly with the one before it.
constexpr int64 full_rate_rows = 4;
constexpr int64 tile_height(int64 rows_left) {
  if (rows_left <= tile_rows) return rows_left;
  return rows_left < tile_rows + full_rate_rows ? (rows_left + 1) / 2 : tile_rows;
}

constexpr int64 last_tile_height(int64 rows) {
  while (rows > tile_rows + full_rate_rows) rows -= tile_rows;
  return rows - (rows > tile_rows ? tile_height(rows) : 0);
}

// Packs `used` (at most lanes) rows of A, for every step of the depth, with stride `rows` in `out`. Whole vectors are
// stored: lanes past the last row overwrite the next step, which is written later, or the slack at the workspace's end.
// With side_by_side the last step is stored exactly, since what follows it may be there already.
template <bool side_by_side>
NABLAS_INLINE void pack_a_lanes(const T* a, int64 a_rs, int64 a_cs, int64 used, int64 depth, int64 rows, T* out) {
  if constexpr (side_by_side) {
    for (int64 p = 0; p + 1 < depth; ++p)
      store(out + p * rows, used == lanes ? load(a + p * a_cs) : load_part(a + p * a_cs, used));
    store_part(out + (depth - 1) * rows, load_part(a + (depth - 1) * a_cs, used), used);
  } else {
    for (int64 p = 0; p < depth; p += lanes) {
      const int64 steps = at_most(depth - p, lanes);
      V x[lanes];
      if (steps == lanes && used == lanes)
        repeat<lanes>([&](auto r) NABLAS_LAMBDA { x[r] = load(a + r * a_rs + p); });
      else if (steps == lanes && used == tile_rows % lanes)
        repeat<lanes>([&](auto r) NABLAS_LAMBDA { x[r] = r < tile_rows % lanes ? load(a + r * a_rs + p) : V{}; });
      else
        for (int64 r = 0; r < lanes; ++r) x[r] = r < used ? load_part(a + r * a_rs + p, steps) : V{};
      transpose(x);
      if (steps == lanes)
        repeat<lanes>([&](auto q) NABLAS_LAMBDA { store(out + (p + q) * rows, x[q]); });
      else
        for (int64 q = 0; q < steps; ++q) store(out + (p + q) * rows, x[q]);
    }
  }
}

// Copies `rows` (at most tile_rows) x `depth` of A so that the rows of each step of the depth are contiguous.
void pack_a(const T* a, int64 a_rs, int64 a_cs, int64 rows, int64 depth, T* out) {
  if (a_rs != 1 && a_cs != 1) {
    for (int64 p = 0; p < depth; ++p)
      for (int64 r = 0; r < rows; ++r) *out++ = a[r * a_rs + p * a_cs];
    return;
  }
  for (int64 v = (rows - 1) / lanes * lanes; v >= 0; v -= lanes) {  // last vector first, see pack_a_lanes
    const int64 used = at_most(rows - v, lanes);
    if (a_rs == 1)
      pack_a_lanes<true>(a + v, a_rs, a_cs, used, depth, rows, out + v);
    else
      pack_a_lanes<false>(a + v * a_rs, a_rs, a_cs, used, depth, rows, out + v);
  }
}

// Panels of A for `rows` rows and `depth` steps; the panel of row i begins at i depth. Where the rows of a step are
// contiguous (a_rs == 1), some steps of all panels are copied together, so that memory is read in order.
void pack_block_of_a(const T* a, int64 a_rs, int64 a_cs, int64 rows, int64 depth, T* out) {
  constexpr int64 steps_together = 8;
  const int64 together = a_rs == 1 ? steps_together : depth;
  for (int64 p = 0; p < depth; p += together) {
    const int64 steps = at_most(depth - p, together);
    for (int64 i = 0, height; i < rows; i += height) {
      height = tile_height(rows - i);
      pack_a(a + i * a_rs + p * a_cs, a_rs, a_cs, height, steps, out + i * depth + p * height);
    }
  }
}

// Panels of B for columns j0 to j1 of `depth` rows: panel (j - j0) / tile_columns begins at
// panel_of_b(depth) times that and has rows of its padded width.
constexpr int64 padded_width(int64 width) { return width > lanes ? tile_columns : int64{lanes}; }

// Rows of B are contiguous (b_cs == 1): each row is read once and divided over the panels.
void pack_rows(const T* b, int64 b_rs, int64 depth, int64 columns, T* out) {
  for (int64 p = 0; p < depth; ++p)
    for (int64 j = 0; j < columns; j += tile_columns) {
      const int64 width = at_most(columns - j, tile_columns), padded = padded_width(width);
      const T* from = b + p * b_rs + j;
      T* to = out + j / tile_columns * panel_of_b(depth) + p * padded;
      if (width == tile_columns) {
        repeat<tile_vectors>([&](auto v) NABLAS_LAMBDA { store(to + v * lanes, load(from + v * lanes)); });
        continue;
      }
      for (int64 q = 0; q < padded; q += lanes)
        store(to + q, width - q >= lanes ? load(from + q) : load_part(from + q, width - q));
    }
}

// Columns of B are contiguous (b_rs == 1): one panel, by blocks transposed in registers.
void pack_transposed(const T* b, int64 b_cs, int64 depth, int64 columns, int64 width, T* out) {
  for (int64 j = 0; j < width; j += lanes) {
    const int64 used = at_most(columns - j, lanes);
    if (depth == b_cs && depth <= few_columns) {
      with_entries(used, depth, [&](auto n, int64 count) NABLAS_LAMBDA {
        V x[n];
        load_few_columns<n>(b + j * n, count, x);
        repeat<n>([&](auto q) NABLAS_LAMBDA { store(out + q * width + j, x[q]); });
      });
      continue;
    }
    for (int64 p = 0; p < depth; p += lanes) {
      const int64 steps = at_most(depth - p, lanes);
      V x[lanes];
      const T* const from = b + p + j * b_cs;
      if (used == lanes && steps == lanes)
        repeat<lanes>([&](auto r) NABLAS_LAMBDA { x[r] = load(from + r * b_cs); });
      else
        for (int64 r = 0; r < lanes; ++r) x[r] = r < used ? load_part(from + r * b_cs, steps) : V{};
      transpose(x);
      T* const to = out + p * width + j;
      if (steps == lanes)
        repeat<lanes>([&](auto q) NABLAS_LAMBDA { store(to + q * width, x[q]); });
      else
        for (int64 q = 0; q < steps; ++q) store(to + q * width, x[q]);
    }
  }
}

// Any strides, one panel.
void pack_strided(const T* b, int64 b_rs, int64 b_cs, int64 depth, int64 columns, int64 width, T* out) {
  if (columns < width) __builtin_memset(out, 0, depth * width * sizeof(T));
  for (int64 j = 0; j < columns; ++j)
    for (int64 p = 0; p < depth; ++p) out[p * width + j] = b[p * b_rs + j * b_cs];
}

// B's transpose is in panels: p0 is a multiple of their width.
void pack_transposed_panels(const Gemm<T>& g, int64 p0, int64 depth, int64 j, int64 columns, T* out) {
  const int64 width = padded_width(columns);
  for (int64 p = 0; p < depth; p += tile_columns) {
    const int64 steps = at_most(g.depth - p0 - p, tile_columns);
    pack_transposed(g.b + (p0 + p) * g.columns + j * steps, steps, steps, columns, width, out + p * width);
  }
}

void pack_b(const Gemm<T>& g, int64 p0, int64 depth, int64 j0, int64 j1, T* out) {
  if (g.b_panels == Panels::transposed) {
    for (int64 j = j0; j < j1; j += tile_columns)
      pack_transposed_panels(g, p0, depth, j, at_most(j1 - j, tile_columns),
                             out + (j - j0) / tile_columns * panel_of_b(depth));
    return;
  }
  const T* const b = g.b + p0 * g.b_rs + j0 * g.b_cs;
  if (g.b_cs == 1) {
    pack_rows(b, g.b_rs, depth, j1 - j0, out);
    return;
  }
  for (int64 j = 0; j < j1 - j0; j += tile_columns) {
    const int64 width = at_most(j1 - j0 - j, tile_columns);
    const T* const panel = b + j * g.b_cs;
    T* const to = out + j / tile_columns * panel_of_b(depth);
    if (g.b_rs == 1)
      pack_transposed(panel, g.b_cs, depth, width, padded_width(width), to);
    else
      pack_strided(panel, g.b_rs, g.b_cs, depth, width, padded_width(width), to);
  }
}

}  // namespace
}  // namespace nablas
