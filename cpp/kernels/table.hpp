// The contract between the kernels and their callers.
//
// One table per instruction set and scalar type holds all that the kernels export. Kernels are serial, do not check
// their arguments, do not allocate or throw, and use neither threads nor Python. A caller divides the outputs among
// threads; a kernel called for a part of the outputs computes the same bits as for the whole.
//
// rs and cs are row and column stride in elements (BLIS's names).
#pragma once

#include "base/types.hpp"

namespace nablas {

// A matrix in panels: its columns in groups of `tile_columns`, the last perhaps narrower; each group is contiguous, row
// by row. `columns` says that B is kept so; `transposed`, that B's transpose is. Their depth is at most longest_sum.
enum class Panels { none, columns, transposed };

// C = slope(kept) ⊙ activation(start + A B), A (rows, depth), B (depth, columns), C (rows, columns).
// Every element is summed over the depth in the order of longest_sum (base/types.hpp); its start value is the first
// term.
template <class T>
struct Gemm {
  int64 rows, columns, depth;
  const T* a;
  int64 a_rs, a_cs;
  const T* b;
  int64 b_rs, b_cs;
  T* c;  // unit column stride; overlaps neither A nor B
  int64 c_rs;
  const T* bias = nullptr;  // (columns,): the start value of every row; null: zero
  bool accumulate =
      false;  // start from C instead (the only case in which C's given contents are read); depth <= longest_sum
  T* preactivation = nullptr;  // when given, receives start + A B; laid out as C
  int activation = 0;          // index into `activations`; 0 is the identity
  int slope_activation = 0;    // multiply by this activation's slope at `kept`; 0: none
  const T* kept = nullptr;     // (rows, columns): a or z, whichever the slope is a function of
  int64 kept_rs = 0;
  Panels b_panels = Panels::none;  // otherwise b_rs and b_cs are not read
  bool c_panels = false;           // C is in panels of c_rs rows; then only `accumulate` of the above may be given
  // (columns,): when given, receives the sums of B's columns, or they are added with `accumulate`; the same as of
  // `column_sums`. Then b_cs == 1, and of the other optional members only `accumulate` may be given.
  T* sums = nullptr;
};

template <class T>
struct ActivationEntry {
  const char* name;
  const char* formula;
  const char* initialization;      // of weights before it, where the user names none
  bool slope_needs_preactivation;  // slope is a function of z; otherwise of the activation's output
  // All (rows, columns) with unit column stride. In place is allowed.
  void (*value)(const Matrix<const T>& z, T* a, int64 a_rs);
  void (*slope)(const Matrix<const T>& kept, T* out, int64 out_rs);
  void (*multiply_slope)(const Matrix<const T>& kept, T* delta, int64 delta_rs);  // delta *= slope(kept)
};

// A number that a loss or an optimizer takes by name: its default, and its bounds lowest <= value < end.
struct Hyperparameter {
  const char* name;
  double default_value, lowest, end;
  bool flag = false;  // 0 or 1
};
constexpr Hyperparameter flag(const char* name) { return {name, 0, 0, 2, true}; }
constexpr int max_hyperparameters = 5;

// Preactivations `z` of the output layer, and `targets` of the same shape or one class index per sample.
template <class T>
struct LossArguments {
  Matrix<const T> z;
  const T* targets;               // (rows, columns), contiguous; null when labels are given
  const int64* labels;            // (rows,) at stride labels_rs, each in [0, columns); cross_entropy only
  const T* weights;               // (rows,); null: all 1
  const double* hyperparameters;  // in the order of LossEntry::hyperparameters
  T* delta;                       // (rows, columns), may be z; null: loss only
  int64 delta_rs;
  T delta_scale;  // multiplies every delta: 1 / (sum of weights), over columns if mean_of_entries
  int64 labels_rs = 1;
};

// Rows per partial sum of losses: fixed, so that the total does not depend on the division among threads.
constexpr int64 loss_rows = 16;

template <class T>
struct LossEntry {
  const char* name;
  const char* function;  // its name in nablas.kernels
  const char* formula;   // of one sample
  const char* link;      // output activation whose preactivation z the loss takes
  bool mean_of_entries;  // averaged over the columns as well as over the samples
  bool takes_labels;
  double lowest, highest;  // bounds of a target
  Hyperparameter hyperparameters[max_hyperparameters];
  // sums[k] += sum of weight * (sum over the columns of the loss) over rows k loss_rows to (k + 1) loss_rows of `rows`.
  void (*rows)(const LossArguments<T>&, Range rows, double* sums);
};

constexpr int max_optimizer_states = 2, max_step_constants = 6;

// Values shared by all updates of one step. `begin_step` fills `constants` and advances `scalar`, an optimizer state
// that is one number for all parameters, 1 before the first step.
struct OptimizerStep {
  const double* hyperparameters;  // in the order of OptimizerEntry::hyperparameters
  double learning_rate;
  int64 number;  // 1 for the first step
  double scalar;
  double constants[max_step_constants];
};

template <class T>
struct UpdateArguments {
  T* parameters;
  T* states[max_optimizer_states];  // null where `uses_state` is false
  OptimizerStep step;
  T l2 = 0;              // adds 2 l2 w to the gradient, after gradient_scale
  T l1 = 0;              // ends with the proximal step of l1 |w| (optimizers.hpp)
  T gradient_scale = 1;  // multiplies the gradient
};

// A block of a matrix within the flat parameters, and its gradient.
template <class T>
struct Patch {
  int64 begin;  // index of the block's first element in the flat parameters
  int64 rows, columns, rs;
  const T* gradient;  // (rows, columns)
  int64 gradient_rs;
};

template <class T>
struct OptimizerEntry {
  const char* name;
  const char* formula;
  const char* states[max_optimizer_states];  // arrays of the parameters' shape, 0 before the first step
  const char* scalar;                        // name of the scalar state; null: none
  Hyperparameter hyperparameters[max_hyperparameters];
  bool (*uses_state)(int state, const double* hyperparameters);
  void (*begin_step)(OptimizerStep&);  // once a step
  // One pass. A parameter whose new value would not be finite is kept; its states are updated all the same.
  void (*update)(const UpdateArguments<T>&, Patch<T>);
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

// A size at which a kernel changes its method; tests cover both sides of it.
struct Threshold {
  const char* name;
  int64 value;
};

template <class T>
struct Kernels {
  const char* instruction_set;
  int64 tile_rows, tile_columns;  // threads' parts begin at multiples of these; columns of a panel
  bool (*one_thread_repays_panels)(int64 inputs, int64 outputs);  // whether it reads these weights faster in panels
  int64 gemm_workspace;                                           // elements of scratch one gemm call needs
  const Threshold* thresholds;
  int threshold_count;

  void (*gemm)(const Gemm<T>&, Range rows, Range columns, T* workspace);
  // out[j] (+)= sum over the rows of x[i][j], first to last; at most longest_sum rows if `accumulate`.
  void (*column_sums)(const Matrix<const T>& x, Range columns, T* out, bool accumulate);

  const ActivationEntry<T>* activations;
  int activation_count;
  const LossEntry<T>* losses;
  int loss_count;
  const OptimizerEntry<T>* optimizers;
  int optimizer_count;
  const UnaryEntry<T>* unary;
  int unary_count;

  void (*softmax)(const Matrix<const T>& z, T* out, int64 out_rs);
  // delta = p ⊙ (gradient - sum_j p_j gradient_j) for each row; in place is allowed.
  void (*softmax_slope)(const Matrix<const T>& p, const T* gradient, T* delta);
  void (*add_scaled)(T scale, const T* x, T* y, int64 count);  // y += scale x
  double (*sum_of_squares)(const T* x, int64 count);
  double (*sum_of_magnitudes)(const T* x, int64 count);
  // At least `count` multiply-adds in registers; returns how many. *sink: in, a factor below 1; out, a sum.
  double (*multiply_adds)(int64 count, T* sink);
  // out[i] = row indices[first + i] of x (row first + i if `indices` is null), converted to T. If `ahead` is not 0,
  // `indices` has x.rows entries and the next call will have `first` + ahead; its first rows are prefetched.
  void (*gather[element_type_count])(const AnyMatrix& x, const int64* indices, int64 first, int64 count, int64 ahead,
                                     T* out, int64 out_rs);
  // Products with the rows indices[first + i] of a sparse x (rows first + i if `indices` is null), in the order of sums
  // of the dense product. out (rows, columns) = bias + x W for the given i, W (x.columns, columns):
  void (*sparse_product)(const SparseMatrix<T>& x, const int64* indices, int64 first, Range rows, const T* bias,
                         const T* weights, int64 columns, T* out);
  // out (+)= the given columns ("features") of x, transposed, times delta; row 0 of `out` is the first of them.
  void (*sparse_gradient)(const SparseMatrix<T>& x, const int64* indices, int64 first, Range features,
                          const Matrix<const T>& delta, T* out, int64 out_rs, bool accumulate);
  // out (count, x.columns) = the rows, dense.
  void (*sparse_gather)(const SparseMatrix<T>& x, const int64* indices, int64 first, int64 count, T* out);
  // out (4 blocks,): the four words of each block from `first` on (base/philox.hpp).
  void (*random_words)(std::uint64_t seed, std::uint64_t first, int64 blocks, std::uint32_t step, std::uint32_t stream,
                       std::uint32_t* out);
  // out = x / (1 - rate) where kept, else 0; `first_row` is x's first row within the step's batch.
  void (*dropout)(const Matrix<const T>& x, T* out, int64 out_rs, int64 first_row, const DropoutKey&);
};

}  // namespace nablas
