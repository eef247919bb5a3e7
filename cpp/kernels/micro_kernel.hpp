// The tile of a product: its sums are held in registers.
#pragma once

#include <utility>

#include "kernels/activations.hpp"
#include "kernels/tiles.hpp"

namespace nablas {
namespace {

// What is done to a tile's sums before they are stored: relu, or the product with its slope at `kept`. Other
// activations need too many registers and are applied to the stored tile (finish_tile).
struct InTile {
  enum Kind { nothing, relu, relu_slope } kind = nothing;
  const T* kept = nullptr;  // at the tile's first element
  int64 kept_rs = 0;
};
InTile in_tile(const Gemm<T>& g) {
  constexpr int relu = index_of<Relu>(Activations{});
  if (g.preactivation != nullptr) return {};
  if (g.activation == relu && g.slope_activation == 0) return {InTile::relu};
  if (g.activation == 0 && g.slope_activation == relu) return {InTile::relu_slope, g.kept, g.kept_rs};
  return {};
}

// One tile: c = start (null: zero) + a b over `depth` (at least 1), in R rows and C vectors, of which the last has
// `last` lanes (all of them unless `ragged`). `padded` B has whole vectors where C's is partial.
template <int R, int C, bool ragged, bool padded>
void tile(int64 depth, const T* a, int64 a_rs, int64 a_cs, const T* b, int64 b_rs, const T* start, int64 start_rs, T* c,
          int64 c_rs, int64 last, const InTile& finish) {
  constexpr auto is_part = [](int v) NABLAS_LAMBDA { return ragged && v == C - 1; };
  V sum[R][C] = {};
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
    for (int v = 0; v < C; ++v) row[v] = is_part(v) && !padded ? load_part(b + v * lanes, last) : load(b + v * lanes);
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
  NABLAS_UNROLL
  for (int r = 0; r < R; ++r) {
    NABLAS_UNROLL
    for (int v = 0; v < C; ++v) {
      T* const to = c + r * c_rs + v * lanes;
      if (is_part(v))
        store_part(to, sum[r][v], last);
      else
        store(to, sum[r][v]);
    }
  }
}

using TileFunction = void (*)(int64, const T*, int64, int64, const T*, int64, const T*, int64, T*, int64, int64,
                              const InTile&);
struct TileTable {
  TileFunction rows[tile_rows];
};
template <int C, bool ragged, bool padded, std::size_t... r>
constexpr TileTable tile_table(std::index_sequence<r...>) {
  return {{tile<static_cast<int>(r) + 1, C, ragged, padded>...}};
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

}  // namespace
}  // namespace nablas
