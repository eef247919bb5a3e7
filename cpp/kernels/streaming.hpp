// C = epilogue(start + A B) without tiles, for few rows or little depth; contract in table.hpp.
#pragma once

#include "kernels/activations.hpp"
#include "kernels/packing.hpp"

namespace nablas {
namespace {

// Its address stands for a start from zero: a product without bias that does not accumulate.
constexpr T zeros[1] = {};

bool finishes(const Gemm<T>& g) { return g.preactivation != nullptr || g.activation != 0 || g.slope_activation != 0; }

void finish_tile(const Gemm<T>& g, int64 i, int64 j, int64 rows, int64 columns) {
  T* c = g.c + i * g.c_rs + j;
  const Matrix<const T> block{c, rows, columns, g.c_rs};
  if (g.preactivation != nullptr)
    map_rows(block, g.preactivation + i * g.c_rs + j, g.c_rs, [](V x, auto) NABLAS_LAMBDA { return x; });
  if (g.activation != 0) ActivationEntries::entries[g.activation].value(block, c, g.c_rs);
  if (g.slope_activation != 0)
    ActivationEntries::entries[g.slope_activation].multiply_slope(
        {g.kept + i * g.kept_rs + j, rows, columns, g.kept_rs}, c, g.c_rs);
}

// Whether streaming is faster. Few rows of A: B is read once, unpacked, at memory bandwidth; the sums are stored in C.
// Little depth and a large C: C is written row by row. Each element adds its products in the same order as in a tile.
constexpr int64 few_rows = 2, least_depth = 2, little_depth = 16, stream_columns = 2048;
constexpr int64 streamed_elements = 1 << 14, uncached_elements = (1 << 21) / sizeof(T);
constexpr int stream_rows = 2, stream_depth = 8;
bool repays_streaming(const Gemm<T>& g, int64 rows, int64 columns) {
  if (g.b_panels != Panels::none || g.c_panels) return false;
  if (g.depth == 0) return true;
  if (g.b_cs == 1 && g.depth <= little_depth &&
      rows * columns >= (g.depth <= least_depth ? streamed_elements : uncached_elements))
    return true;
  return rows <= few_rows && (g.b_cs == 1 || g.b_rs == 1) && g.depth * columns >= streamed_elements;
}

// Blocks of `lanes` columns whose sums grow side by side: the sum of one waits for the latency of each addition. Lines
// of more than 16 columns are gone from a first-level cache too soon where few of its sets hold them.
constexpr int stream_blocks = lanes < 16 ? 2 : 1;

// R rows of c += a B for contiguous columns of B (b_rs == 1), `width` of them in Q blocks (only the last may be
// partial); blocks of lanes x lanes are transposed in registers. The first block ends where B's first column is aligned
// to a vector, so that no load crosses a cache line's end: at column distances of a page, few sets of a cache hold all
// columns, and a line would be gone before its second half is read.
template <int Q, int R>
NABLAS_INLINE void stream_columns_of_b(const Gemm<T>& g, const T* a, const T* b, int64 width, T* c) {
  const int64 last = width - (Q - 1) * lanes;
  const auto width_of = [&](auto q) NABLAS_LAMBDA { return q == Q - 1 ? last : lanes; };
  V sum[R][Q];
  repeat<R>([&](auto i) NABLAS_LAMBDA {
    repeat<Q>([&](auto q) NABLAS_LAMBDA { sum[i][q] = load_part(c + i * g.c_rs + q * lanes, width_of(q)); });
  });
  const int64 misaligned = static_cast<int64>(reinterpret_cast<std::uintptr_t>(b) / sizeof(T) % lanes);
  for (int64 p = 0, steps; p < g.depth; p += steps) {
    steps = at_most(g.depth - p, p == 0 ? lanes - misaligned : lanes);
    repeat<Q>([&](auto q) NABLAS_LAMBDA {
      const T* const from = b + p + q * lanes * g.b_cs;
      const T* const factors = a + p * g.a_cs;
      V x[lanes];
      const auto add = [&](auto k) NABLAS_LAMBDA {
        repeat<R>([&](auto i) NABLAS_LAMBDA { sum[i][q] += factors[i * g.a_rs + k * g.a_cs] * x[k]; });
      };
      if (steps == lanes && (q < Q - 1 || last == lanes)) {
        repeat<lanes>([&](auto r) NABLAS_LAMBDA { x[r] = load(from + r * g.b_cs); });
        transpose(x, add);
      } else {
        const int64 used = width_of(q);
        for (int64 r = 0; r < lanes; ++r) x[r] = r < used ? load_part(from + r * g.b_cs, steps) : V{};
        transpose(x);
        for (int64 k = 0; k < steps; ++k) add(k);
      }
    });
  }
  repeat<R>([&](auto i) NABLAS_LAMBDA {
    repeat<Q>([&](auto q) NABLAS_LAMBDA { store_part(c + i * g.c_rs + q * lanes, sum[i][q], width_of(q)); });
  });
}
template <int R>
void stream_columns_of_b(const Gemm<T>& g, const T* a, const T* b, int64 columns, T* c) {
  int64 j = 0;
  for (; j + stream_blocks * lanes <= columns; j += stream_blocks * lanes)
    stream_columns_of_b<stream_blocks, R>(g, a, b + j * g.b_cs, stream_blocks * lanes, c + j);
  for (; j < columns; j += lanes) stream_columns_of_b<1, R>(g, a, b + j * g.b_cs, at_most(columns - j, lanes), c + j);
}
// R rows of C over D steps of the depth: c = start + a b, or c += a b if `start` is null.
template <int R, int D>
NABLAS_INLINE void stream_steps(const Gemm<T>& g, const T* a, const T* b, int64 columns, const T* start, T* c) {
  V factors[R][D == 0 ? 1 : D];
  repeat<R>([&](auto r) NABLAS_LAMBDA {
    repeat<D>([&](auto q) NABLAS_LAMBDA { factors[r][q] = broadcast(a[r * g.a_rs + q * g.a_cs]); });
  });
  const auto run = [&](auto first) NABLAS_LAMBDA {
    for_each_vector(columns, [&](auto from, auto to) NABLAS_LAMBDA {
      V sum[R];
      repeat<R>([&](auto r) NABLAS_LAMBDA { sum[r] = first(from, r); });
      repeat<D>([&](auto q) NABLAS_LAMBDA {
        const V row = from(b + q * g.b_rs);
        repeat<R>([&](auto r) NABLAS_LAMBDA { sum[r] += factors[r][q] * row; });
      });
      repeat<R>([&](auto r) NABLAS_LAMBDA { to(c + r * g.c_rs, sum[r]); });
    });
  };
  if (start == nullptr)
    run([&](auto from, auto r) NABLAS_LAMBDA { return from(c + r * g.c_rs); });
  else if (start == zeros)
    run([&](auto, auto) NABLAS_LAMBDA { return V{}; });
  else
    run([&](auto from, auto) NABLAS_LAMBDA { return from(start); });
}

// R rows of C over the whole depth.
template <int R>
void stream_rows_of_c(const Gemm<T>& g, const T* a, const T* b, int64 columns, const T* start, T* c) {
  int64 p = 0;
  const auto at = [&]() NABLAS_LAMBDA { return b + p * g.b_rs; };
  if (g.depth == 0 && start != nullptr) stream_steps<R, 0>(g, a, b, columns, start, c);
  for (; p + stream_depth <= g.depth; p += stream_depth, start = nullptr)
    stream_steps<R, stream_depth>(g, a + p * g.a_cs, at(), columns, start, c);
  for (; p < g.depth; ++p, start = nullptr) stream_steps<R, 1>(g, a + p * g.a_cs, at(), columns, start, c);
}

void stream(const Gemm<T>& g, Range rows, Range columns) {
  const bool finishing = finishes(g);
  for (int64 j = columns.begin; j < columns.end; j += stream_columns) {
    const int64 width = at_most(columns.end - j, stream_columns);
    const T* const start = g.accumulate ? nullptr : g.bias != nullptr ? g.bias + j : zeros;
    const T* const b = g.b + j * g.b_cs;
    for (int64 i = rows.begin, height; i < rows.end; i += height) {
      height = at_most(rows.end - i, stream_rows);
      T* const c = g.c + i * g.c_rs + j;
      const T* const a = g.a + i * g.a_rs;
      if (g.b_cs == 1 || g.depth == 0) {
        if (height == stream_rows)
          stream_rows_of_c<stream_rows>(g, a, b, width, start, c);
        else
          stream_rows_of_c<1>(g, a, b, width, start, c);
      } else {
        for (int64 r = 0; start != nullptr && r < height; ++r)
          stream_steps<1, 0>(g, a, b, width, start, c + r * g.c_rs);
        if (height == stream_rows)
          stream_columns_of_b<stream_rows>(g, a, b, width, c);
        else
          stream_columns_of_b<1>(g, a, b, width, c);
      }
      if (finishing) finish_tile(g, i, j, height, width);
    }
  }
}

}  // namespace
}  // namespace nablas
