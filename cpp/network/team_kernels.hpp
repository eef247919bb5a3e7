// Kernels divided over the parts of a phase. A call computes one part of the outputs; other parts' outputs may be read
// in the next phase.
#pragma once

#include <algorithm>

#include "base/buffer.hpp"
#include "base/parallel.hpp"
#include "kernels/table.hpp"

namespace nablas {

// Elements a part begins at multiples of: whole vectors on every instruction set, 16 KiB of float32.
constexpr int64 element_grain = 4096;

struct Rectangle {
  Range rows, columns;
};

// A part of a (rows, columns) output, cut at multiples of the tile.
Rectangle share_rectangle(const Team&, int64 rows, int64 columns, int64 tile_rows, int64 tile_columns);

// A part of a layer's (inputs, outputs) gradient: rows of W; or columns if each part gets a tile of them
// and either `prefer_columns` is set or there are too few rows.
Rectangle share_gradient(const Team&, bool prefer_columns, int64 inputs, int64 outputs, int64 tile_columns);

// One scratch area for each thread.
template <class T>
class Workspaces {
 public:
  void reserve(int threads, int64 each) {
    constexpr int64 line = buffer_alignment / sizeof(T);
    stride_ = (each + line - 1) / line * line;
    buffer_.reserve(stride_ * threads);
  }
  T* of(const Team& team) { return buffer_.data() + stride_ * team.worker; }

 private:
  Buffer<T> buffer_;
  int64 stride_ = 0;
};

// 0 in rows of weight 0 of an array of so many columns, or null.
template <class T>
void clear_unweighted(const T* weights, Range rows, T* array, int64 columns) {
  if (array == nullptr) return;
  for (int64 i = rows.begin; i < rows.end; ++i)
    if (weights[i] == T(0)) std::fill_n(array + i * columns, columns, T(0));
}

// The given rows and columns of a product.
template <class T>
void team_gemm(const Kernels<T>& kernel, const Team& team, const Gemm<T>& g, Range rows, Range columns, T* workspace) {
  const Rectangle part =
      share_rectangle(team, rows.end - rows.begin, columns.end - columns.begin, kernel.tile_rows, kernel.tile_columns);
  if (part.rows.begin < part.rows.end && part.columns.begin < part.columns.end)
    kernel.gemm(g, {rows.begin + part.rows.begin, rows.begin + part.rows.end},
                {columns.begin + part.columns.begin, columns.begin + part.columns.end}, workspace);
}

template <class T>
void team_gemm(const Kernels<T>& kernel, const Team& team, const Gemm<T>& g, T* workspace) {
  team_gemm(kernel, team, g, {0, g.rows}, {0, g.columns}, workspace);
}

// z = x W + b and a = g(z); `weights` is (inputs + 1, outputs), its row 0 the bias.
template <class T>
Gemm<T> forward_gemm(const Matrix<const T>& x, const T* weights, int64 outputs, T* a, T* preactivation,
                     int activation) {
  Gemm<T> g{x.rows, outputs, x.columns, x.data, x.rs, 1, weights + outputs, outputs, 1, a, outputs};
  g.bias = weights;
  g.preactivation = preactivation;
  g.activation = activation;
  return g;
}

// x^T delta: the gradient with respect to W.
template <class T>
Gemm<T> gradient_gemm(const Matrix<const T>& x, const Matrix<const T>& delta, T* gradient, int64 gradient_rs) {
  return {x.columns, delta.columns, x.rows, x.data, 1, x.rs, delta.data, delta.rs, 1, gradient, gradient_rs};
}

// delta of the layer below: (delta W^T) ⊙ slope of `activation` at `kept`.
template <class T>
Gemm<T> delta_gemm(const T* delta, int64 rows, const T* weights, int64 inputs, int64 outputs, T* below, int activation,
                   const T* kept, int64 kept_rs) {
  Gemm<T> g{rows, inputs, outputs, delta, outputs, 1, weights + outputs, 1, outputs, below, inputs};
  g.slope_activation = activation;
  g.kept = kept;
  g.kept_rs = kept_rs;
  return g;
}

// The gradient (inputs + 1, outputs): row 0 the bias, column sums of delta; below x^T delta.
template <class T>
void team_gradient(const Kernels<T>& kernel, const Team& team, const Matrix<const T>& x, const Matrix<const T>& delta,
                   T* gradient, T* workspace) {
  const int64 outputs = delta.columns;
  kernel.column_sums(delta, team.share(outputs, kernel.tile_columns), gradient, false);
  team_gemm(kernel, team, gradient_gemm(x, delta, gradient + outputs, outputs), workspace);
}

}  // namespace nablas
