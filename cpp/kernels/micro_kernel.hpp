// The tile of a product: its sums are held in registers.
#pragma once

#include <utility>

#include "kernels/activations.hpp"
#include "kernels/columns.hpp"
#include "kernels/tiles.hpp"

namespace nablas {
namespace {

// What is done to a tile's sums before they are stored: relu, or the product with its slope at `kept`. Other
// activations need too many registers and are applied to the stored tile (finish_tile).
struct InTile {
  enum Kind { nothing, relu, relu_slope } kind = nothing;
  const T* kept = nullptr;  // at the tile's first element
  int64 kept_rs = 0;
  T* sums = nullptr;  // of B's columns (Extra::sums), which are added to what is there if it `accumulates`
  bool accumulates = false;
};
// What a tile adds up besides: the sums of B's columns, or, as a last column of C, those of A's rows, for which B has a
// column of ones. A separate pass over B or A would wait for the latency of its additions.
enum class Extra { nothing, sums, ones };
// Rows of a tile whose registers suffice for sums of B, and for which a column of ones is worth it.
constexpr int summing_rows = at_most(8, tile_rows - 2), rows_with_ones = at_most(few_columns, tile_rows);
InTile in_tile(const Gemm<T>& g) {
  constexpr int relu = index_of<Relu>(Activations{});
  if (g.preactivation != nullptr) return {};
  if (g.activation == relu && g.slope_activation == 0) return {InTile::relu};
  if (g.activation == 0 && g.slope_activation == relu) return {InTile::relu_slope, g.kept, g.kept_rs};
  return {};
}

// One tile: c = start (null: zero) + a b over `depth` (at least 1), in R rows and C vectors, of which the last has
// `last` lanes (all of them unless `ragged`). `padded` B has whole vectors where C's is partial. With Extra::ones, the
// last of C's lanes is not read from B.
template <int R, int C, bool ragged, bool padded, Extra extra = Extra::nothing>
void tile(int64 depth, const T* a, int64 a_rs, int64 a_cs, const T* b, int64 b_rs, const T* start, int64 start_rs, T* c,
          int64 c_rs, int64 last, const InTile& finish) {
  constexpr auto is_part = [](int v) NABLAS_LAMBDA { return ragged && v == C - 1; };
  constexpr bool sums = extra == Extra::sums;
  V sum[R][C] = {}, column_sum[C] = {};
  if (sums && finish.accumulates) {
    NABLAS_UNROLL
    for (int v = 0; v < C; ++v)
      column_sum[v] = is_part(v) ? load_part(finish.sums + v * lanes, last) : load(finish.sums + v * lanes);
  }
  if (start != nullptr) {
    NABLAS_UNROLL
    for (int r = 0; r < R; ++r) {
      NABLAS_UNROLL
      for (int v = 0; v < C; ++v) {
        const T* const from = start + r * start_rs + v * lanes;
        sum[r][v] = is_part(v) ? load_part(from, last) : load(from);
      }
    }
  }
  // One address for each four rows, which the compiler may not merge: with one base and R offsets it has too few
  // registers.
  constexpr int group = 4, groups = (R + group - 1) / group;
  const T* rows[groups];
  NABLAS_UNROLL
  for (int q = 0; q < groups; ++q) {
    rows[q] = a + q * group * a_rs;
    __asm__("" : "+r"(rows[q]));
  }
  do {  // do-while keeps the sums in registers
    V row[C];
    NABLAS_UNROLL
    for (int v = 0; v < C; ++v) {
      row[v] = is_part(v) && !padded ? load_part(b + v * lanes, last - (extra == Extra::ones)) : load(b + v * lanes);
      if (extra == Extra::ones && v == C - 1) row[v] = lane_numbers() == static_cast<I>(last - 1) ? V{} + 1 : row[v];
      if (sums) column_sum[v] += row[v];
    }
    NABLAS_UNROLL
    for (int r = 0; r < R; ++r) {
      NABLAS_UNROLL
      for (int v = 0; v < C; ++v) sum[r][v] += rows[r / group][r % group * a_rs] * row[v];
    }
    NABLAS_UNROLL
    for (int q = 0; q < groups; ++q) rows[q] += a_cs;
    b += b_rs;
  } while (--depth > 0);
  if (finish.kind == InTile::relu) {
    NABLAS_UNROLL
    for (int r = 0; r < R; ++r) {
      NABLAS_UNROLL
      for (int v = 0; v < C; ++v) sum[r][v] = Relu::value(sum[r][v]);
    }
  } else if (finish.kind == InTile::relu_slope) {
    NABLAS_UNROLL
    for (int r = 0; r < R; ++r) {
      NABLAS_UNROLL
      for (int v = 0; v < C; ++v) {
        const T* const kept = finish.kept + r * finish.kept_rs + v * lanes;
        sum[r][v] *= Relu::slope(is_part(v) ? load_part(kept, last) : load(kept));
      }
    }
  }
  const auto put = [&](T* to, V value, int v) NABLAS_LAMBDA {
    if (is_part(v))
      store_part(to + v * lanes, value, last);
    else
      store(to + v * lanes, value);
  };
  NABLAS_UNROLL
  for (int r = 0; r < R; ++r) {
    NABLAS_UNROLL
    for (int v = 0; v < C; ++v) put(c + r * c_rs, sum[r][v], v);
  }
  if (sums) {
    NABLAS_UNROLL
    for (int v = 0; v < C; ++v) put(finish.sums, column_sum[v], v);
  }
}

using TileFunction = void (*)(int64, const T*, int64, int64, const T*, int64, const T*, int64, T*, int64, int64,
                              const InTile&);
struct TileTable {
  TileFunction rows[tile_rows];
};
template <int C, bool ragged, bool padded, Extra extra = Extra::nothing, std::size_t... r>
constexpr TileTable tile_table(std::index_sequence<r...>) {
  return {{tile<static_cast<int>(r) + 1, C, ragged, padded, extra>...}};
}
using TileRows = std::make_index_sequence<tile_rows>;
// A load with AVX-512's mask costs as much as a whole one: B is read as if it were not padded, by fewer functions.
constexpr bool masks_are_free = NABLAS_VECTOR_BYTES == 64;
enum Edge { whole, ragged_unpadded, ragged_padded, edge_count };
template <int C>
constexpr TileTable tile_edges[edge_count] = {tile_table<C, false, true>(TileRows{}),
                                              tile_table<C, true, false>(TileRows{}),
                                              tile_table<C, true, !masks_are_free>(TileRows{})};
// The tile function for `rows` (1 to tile_rows) rows and `vectors` (1 or 2) vectors.
TileFunction tile_function(int64 rows, int64 vectors, Edge edge) {
  return (vectors == 1 ? tile_edges<1> : tile_edges<2>)[edge].rows[rows - 1];
}
// The same with sums of an unpacked B's columns, for up to summing_rows rows.
template <int C>
constexpr TileTable summing_tiles[2] = {
    tile_table<C, false, true, Extra::sums>(std::make_index_sequence<summing_rows>{}),
    tile_table<C, true, false, Extra::sums>(std::make_index_sequence<summing_rows>{})};
TileFunction summing_tile(int64 rows, int64 vectors, Edge edge) {
  return (vectors == 1 ? summing_tiles<1> : summing_tiles<2>)[edge == whole ? 0 : 1].rows[rows - 1];
}
// With a column of ones, the last of the lanes, for up to rows_with_ones rows.
template <int C>
constexpr TileTable tiles_with_ones =
    tile_table<C, true, false, Extra::ones>(std::make_index_sequence<rows_with_ones>{});
TileFunction tile_with_ones(int64 rows, int64 vectors) {
  return (vectors == 1 ? tiles_with_ones<1> : tiles_with_ones<2>).rows[rows - 1];
}

}  // namespace
}  // namespace nablas
