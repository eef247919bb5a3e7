// Tile and block sizes by instruction set.
//
// The micro-kernel keeps tile_rows x tile_vectors vectors of sums in registers; two more hold a row of B and
// one the broadcast element of A. Each block of the depth loads and stores C once, which waits for memory where C is
// large, so blocks are deep: a panel of B, up to 128 KiB, and block_rows x block_depth of A, up to 352 KiB, are read
// from L2 ahead of their use.
#pragma once

#include "kernels/simd.hpp"

namespace nablas {
namespace {

constexpr int tile_vectors = 2;
#if NABLAS_VECTOR_BYTES == 64
constexpr int tile_rows = 14;  // 28 + 3 of 32 registers
#elif NABLAS_VECTOR_BYTES == 32
constexpr int tile_rows = 6;  // 12 + 3 of 16 registers
#elif defined(__aarch64__)
constexpr int tile_rows = 12;  // 24 + 3 of 32 registers
#else
constexpr int tile_rows = 4;  // 8 + 3 of 16 registers, and one for the product before its addition
#endif

// Panels of B from which packing A is faster: A with contiguous rows; with contiguous columns; the same with a depth of
// up to shallow_depth, whose rows lie on no more pages than a first-level TLB holds. With contiguous columns a step of
// 14 rows takes most of a cache line and repays packing late. Rows from which packing a large B is faster. Whether A
// with contiguous rows repays packing at any distance of its rows, or only where few sets of a cache hold them.
constexpr int64 shallow_depth = 64;
#if NABLAS_VECTOR_BYTES == 64
constexpr int64 panels_to_pack_a = 6, panels_to_pack_columns = 17, panels_to_pack_shallow = 17;
constexpr int64 rows_to_pack_b = 4 * tile_rows;
constexpr bool packs_any_rows = false;
#elif NABLAS_VECTOR_BYTES == 32
constexpr bool packs_any_rows = true;
constexpr int64 panels_to_pack_a = 9, panels_to_pack_columns = 5, panels_to_pack_shallow = 9;
constexpr int64 rows_to_pack_b = 2 * tile_rows;
#else
constexpr bool packs_any_rows = true;
constexpr int64 panels_to_pack_a = 6, panels_to_pack_columns = 3, panels_to_pack_shallow = 3;
constexpr int64 rows_to_pack_b = 4 * tile_rows;
#endif

// With AVX2 a tile reads a line of B every 6 cycles, so it matters whether a panel stays in the first-level cache
// (cached_rows). Rows from which packing B is faster where it does not.
constexpr bool waits_for_second_level = NABLAS_VECTOR_BYTES == 32;
constexpr int64 rows_to_pack_uncached_b = 16 * tile_rows;

// Columns of C up to which its rows are in the lanes of vectors where A has contiguous rows; blocks of A are
// transposed, which repays only with vectors this wide.
constexpr int64 lane_columns = NABLAS_VECTOR_BYTES == 64 ? 4 : 0;

// From AVX2 on, a masked load costs as much as a whole one.
constexpr bool has_masked_loads = NABLAS_VECTOR_BYTES >= 32;

constexpr int64 tile_columns = tile_vectors * lanes;
constexpr int64 block_depth = 1024;
constexpr int64 block_rows = tile_rows * ((352 << 10) / (tile_rows * block_depth * int64{sizeof(T)}));
constexpr int64 block_columns = tile_columns * ((is_double ? 512 : 1024) / tile_columns);

}  // namespace
}  // namespace nablas
