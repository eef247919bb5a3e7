// Kernels shared out over a team. Each thread of the team calls these and computes its part of the outputs;
// whoever needs another thread's part waits at a barrier first.
#pragma once

#include <cmath>

#include "base/buffer.hpp"
#include "base/parallel.hpp"
#include "kernels/table.hpp"

namespace nablas {

// Elements a thread takes at a time: whole vectors on every instruction set, 16 KiB of float32.
constexpr int64 element_grain = 4096;

struct Rectangle {
  Range rows, columns;
};

// This thread's part of a (rows, columns) output, cut at multiples of the tile.
Rectangle share_rectangle(const Team&, int64 rows, int64 columns, int64 tile_rows, int64 tile_columns);

// This thread's part of a layer's (inputs, outputs) gradient: rows of W, or columns where there are enough of them and
// they are preferred or the rows are too few.
Rectangle share_gradient(const Team&, bool prefer_columns, int64 inputs, int64 outputs, int64 tile_columns);

// One scratch area for each thread of a team.
template <class T>
class Workspaces {
 public:
  void reserve(int threads, int64 each) {
    constexpr int64 line = buffer_alignment / sizeof(T);
    stride_ = (each + line - 1) / line * line;
    buffer_.reserve(stride_ * threads);
  }
  T* of(const Team& team) { return buffer_.data() + stride_ * team.rank; }

 private:
  Buffer<T> buffer_;
  int64 stride_ = 0;
};

template <class T>
void team_gemm(const Kernels<T>& kernel, const Team& team, const Gemm<T>& g, T* workspace) {
  const Rectangle part = share_rectangle(team, g.rows, g.columns, kernel.tile_rows, kernel.tile_columns);
  if (part.rows.begin < part.rows.end && part.columns.begin < part.columns.end)
    kernel.gemm(g, part.rows, part.columns, workspace);
}

// z = x W + b and a = g(z); `weights` is (inputs + 1, outputs), its row 0 the bias.
template <class T>
Gemm<T> forward_gemm(const Matrix<const T>& x, const T* weights, int64 outputs, T* a, T* preactivation,
                     int activation) {
  Gemm<T> g{x.rows, outputs, x.columns, x.data, x.row, 1, weights + outputs, outputs, 1, a, outputs};
  g.bias = weights;
  g.preactivation = preactivation;
  g.activation = activation;
  return g;
}

// x^T delta: the gradient by W.
template <class T>
Gemm<T> gradient_gemm(const Matrix<const T>& x, const Matrix<const T>& delta, T* gradient, int64 gradient_row) {
  return {x.columns, delta.columns, x.rows, x.data, 1, x.row, delta.data, delta.row, 1, gradient, gradient_row};
}

// delta of the layer below: (delta W^T) ⊙ slope of `activation` at `kept`.
template <class T>
Gemm<T> delta_gemm(const T* delta, int64 rows, const T* weights, int64 inputs, int64 outputs, T* below, int activation,
                   const T* kept, int64 kept_row) {
  Gemm<T> g{rows, inputs, outputs, delta, outputs, 1, weights + outputs, 1, outputs, below, inputs};
  g.gate_activation = activation;
  g.gate = kept;
  g.gate_row = kept_row;
  return g;
}

// The gradient by W, bias row included.
template <class T>
void team_gradient(const Kernels<T>& kernel, const Team& team, const Matrix<const T>& x, const Matrix<const T>& delta,
                   T* gradient, T* workspace) {
  const int64 outputs = delta.columns;
  kernel.column_sums(delta, team.share(outputs, kernel.tile_columns), gradient, false);
  team_gemm(kernel, team, gradient_gemm(x, delta, gradient + outputs, outputs), workspace);
}

// The update is the `step`-th, from 1.
template <class T>
void set_step(const OptimizerEntry<T>& rule, UpdateArguments<T>& arguments, int64 step) {
  if (!rule.corrected) return;
  for (int i = 0; i < 2; ++i)
    arguments.corrections[i] = 1 - std::pow(arguments.hyperparameters[i], static_cast<double>(step));
}

}  // namespace nablas
