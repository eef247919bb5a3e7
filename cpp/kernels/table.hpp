// The contract between the kernels and everything above them.
//
// One table per instruction set and scalar type holds all that the kernels export. Kernels are serial,
// trust their arguments, allocate nothing, throw nothing and know neither threads nor Python. A caller
// divides the outputs among threads; a kernel called for a part of the outputs computes exactly the bits
// it would have computed for the whole.
#pragma once

#include "base/types.hpp"

namespace nablas {

// C = gate'(·) ⊙ activation(start + A B), A (rows, depth), B (depth, columns), C (rows, columns).
// Every element is summed over the depth from first to last, beginning with its start value.
template <class T>
struct Gemm {
  int64 rows, columns, depth;
  const T* a;
  int64 a_row, a_column;  // distances in elements between neighbouring rows and columns of A
  const T* b;
  int64 b_row, b_column;
  T* c;  // unit column stride; overlaps neither A nor B
  int64 c_row;
  const T* bias = nullptr;     // (columns,): the start value of every row; null: zero
  bool accumulate = false;     // start from C instead (the only case in which C is read)
  T* preactivation = nullptr;  // when given, receives start + A B; laid out as C
  int activation = 0;          // index into `activations`; 0 is the identity
  int gate_activation = 0;     // multiply by this activation's slope at `gate`; 0: do not
  const T* gate = nullptr;     // (rows, columns)
  int64 gate_row = 0;
};

template <class T>
struct ActivationEntry {
  const char* name;
  bool slope_needs_preactivation;  // slope is a function of z; otherwise of the activation's output
  // All (rows, columns) with unit column stride. In place is allowed.
  void (*value)(const Matrix<const T>& z, T* a, int64 a_row);
  void (*slope)(const Matrix<const T>& kept, T* out, int64 out_row);
  void (*multiply_slope)(const Matrix<const T>& kept, T* delta, int64 delta_row);  // delta *= slope(kept)
};

// Outputs `z` of n samples against `targets` of the same shape, or against one class index a sample.
template <class T>
struct LossArguments {
  Matrix<const T> z;
  const T* targets;     // (rows, columns), contiguous; null when labels are given
  const int64* labels;  // (rows,), each in [0, columns); cross_entropy only
  const T* weights;     // (rows,) or null: one each
  T* delta;             // (rows, columns), contiguous, may be z; null: loss only
  T delta_scale;        // multiplies every delta: 1 / (sum of weights), and 1 / columns for per-entry means
};

// Rows whose losses are added up together: the sums do not depend on who adds them.
constexpr int64 loss_rows = 16;

template <class T>
struct LossEntry {
  const char* name;
  const char* link;      // output activation whose preactivation z the loss takes
  bool mean_of_entries;  // averaged over the columns as well as over the samples
  bool takes_labels;
  double lowest, highest;  // bounds of a target
  // Returns sum over the rows (at most `loss_rows`) of weight * (sum over the columns of the loss).
  double (*rows)(const LossArguments<T>&, Range rows);
};

constexpr int max_optimizer_states = 2, max_hyperparameters = 5;

struct Hyperparameter {
  const char* name;
  double standard;
};

template <class T>
struct UpdateArguments {
  T* parameters;
  T* states[max_optimizer_states];
  double hyperparameters[max_hyperparameters];
  double learning_rate;
  double corrections[2];  // 1 - hyperparameters[i]^step, step 1 for the first update, where the rule is `corrected`
  T l2;                   // adds 2 l2 w to the gradient
};

// Some columns of some rows of a matrix within the flat parameters, and their gradient.
template <class T>
struct Patch {
  int64 begin;  // of the first row, counted from the first parameter
  int64 rows, columns, row;
  const T* gradient;  // (rows, columns)
  int64 gradient_row;
};

template <class T>
struct OptimizerEntry {
  const char* name;
  const char* states[max_optimizer_states];
  Hyperparameter hyperparameters[max_hyperparameters];
  bool corrected;  // for moments that start at zero
  // One pass. An entry whose update would not be finite keeps its value.
  void (*update)(const UpdateArguments<T>&, const Patch<T>&);
};

template <class T>
struct UnaryEntry {
  const char* name;
  void (*apply)(const T* x, T* y, int64 count);  // in place is allowed
};

// The coordinates of a dropout mask: one random word for every (row, column) of a layer in a step.
struct DropoutKey {
  std::uint64_t seed;
  std::uint64_t step;
  std::uint32_t layer;
  double rate;  // probability of dropping, in [0, 1)
};

template <class T>
struct Kernels {
  const char* instruction_set;
  int64 tile_rows, tile_columns;  // cuts between threads are multiples of these
  int64 gemm_workspace;           // elements of scratch one gemm call needs

  void (*gemm)(const Gemm<T>&, Range rows, Range columns, T* workspace);
  // out[j] (+)= sum over the rows of x[i][j], first to last.
  void (*column_sums)(const Matrix<const T>& x, Range columns, T* out, bool accumulate);

  const ActivationEntry<T>* activations;
  int activation_count;
  const LossEntry<T>* losses;
  int loss_count;
  const OptimizerEntry<T>* optimizers;
  int optimizer_count;
  const UnaryEntry<T>* unary;
  int unary_count;

  void (*softmax)(const Matrix<const T>& z, T* out, int64 out_row);
  // delta = p ⊙ (gradient - sum_j p_j gradient_j) for each row; in place is allowed.
  void (*softmax_slope)(const Matrix<const T>& p, const T* gradient, T* delta);
  void (*multiply)(const T* x, const T* y, T* out, int64 count);
  void (*add_scaled)(T scale, const T* x, T* y, int64 count);  // y += scale x
  double (*sum_of_squares)(const T* x, int64 count);
  bool (*all_finite)(const T* x, int64 count);
  // At least `count` multiply-adds as fast as the processor can; returns how many. *sink: in, a factor below 1; out, a
  // sum.
  double (*multiply_adds)(int64 count, T* sink);
  // out[i] = source row indices[i] (row first + i without indices) converted to T.
  void (*gather[element_type_count])(const Source&, const int64* indices, int64 first, int64 count, T* out,
                                     int64 out_row);
  // The four words of each block from `first` on (base/philox.hpp).
  void (*random_words)(std::uint64_t seed, std::uint64_t first, int64 blocks, std::uint32_t step, std::uint32_t stream,
                       std::uint32_t* out);
  // out = x / (1 - rate) where kept, else 0; `first_row` is x's first row within the step's batch.
  void (*dropout)(const Matrix<const T>& x, T* out, int64 out_row, int64 first_row, const DropoutKey&);
};

}  // namespace nablas
