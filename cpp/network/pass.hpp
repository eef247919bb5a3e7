// Forward and backward pass of one block of rows through a network: buffers and phases.
//
// A phase is called for a section: some rows of the block and the team that computes them. By layers, the whole team
// computes all rows, with a barrier between layers; by rows, each thread is a team of one and computes its rows through
// all layers, forward and backward, without barriers. Only `gradient`, which sums over all rows, is always divided over
// the whole team.
#pragma once

#include <algorithm>
#include <vector>

#include "network/network.hpp"
#include "network/team_kernels.hpp"

namespace nablas {

// Data of a fit, an evaluation or a gradient. Rows are visited in `order`; null: in the order of x.
template <class T>
struct Samples {
  AnyMatrix x;
  const T* targets = nullptr;     // (rows, outputs) contiguous
  const int64* labels = nullptr;  // (rows,)
  const T* weights = nullptr;     // (rows,)
  const int64* order = nullptr;   // (rows,)
  int64 row(int64 i) const { return order != nullptr ? order[i] : i; }
};

// The rows of one block as the phases read them: views of the data where dtype, layout and order allow it, otherwise
// gathered copies.
template <class T>
struct Block {
  const Samples<T>* data;
  Range rows;  // positions in the visiting order
  Matrix<const T> x;
  const T* targets;
  const int64* labels;
  const T* weights;
  bool gathers_x, gathers_rest;
};

template <class T>
struct Section {
  Team team;
  Range rows;  // of the block
  int64 block_rows;
  T* workspace;
  Range own_rows(int64 grain) const {
    const Range part = team.share(rows.end - rows.begin, grain);
    return {rows.begin + part.begin, rows.begin + part.end};
  }
};

// Columns of a layer's gradient that are computed and passed to `ready` at a time.
constexpr int64 part_columns = 512;

struct Objective {
  int loss;     // index into the losses
  bool linked;  // the output activation is the loss's link: loss and delta are computed from z
  double l2 = 0;
  const double* hyperparameters = nullptr;  // of the loss
  // As in scikit-learn: the penalty is divided by each batch's weight, and the epoch's loss is the mean of the batch
  // losses, weighted by their numbers of rows.
  bool by_batch = false;
};

// Multiply-adds per layer from which by layers is faster than by rows (docs/performance.md): by rows, every thread
// reads and packs all weights; by layers, only its own columns, with a barrier between layers.
constexpr double operations_by_layers = 7e6;

enum class Purpose { outputs, loss, gradient };

// What the forward pass computes at the output layer: its activation, or z for a linked loss.
enum class Output { activation, preactivation };

struct Dropout {
  const double* rates = nullptr;  // (layers,), of each layer's inputs; null: no dropout
  std::uint64_t seed = 0, step = 0;
  int64 first_row = 0;  // the block's first row within its batch
  double rate(std::size_t l) const { return rates == nullptr ? 0 : rates[l]; }
};

template <class T>
class Pass {
 public:
  // Allocates for blocks of up to `rows` rows and teams of up to `threads`.
  void prepare(const Network<T>& network, Purpose purpose, bool dropout, int64 rows, int threads);

  // `copy`: gather everything, so that the block does not refer to the data.
  Block<T> block(const Network<T>&, const Samples<T>&, Range rows, bool copy = false);
  // This thread's section of a block of `rows` rows: by layers if there are fewer than loss_rows rows per thread or at
  // least operations_by_layers multiply-adds per layer, else by rows.
  Section<T> section(const Team&, const Network<T>&, int64 rows);

  void gather(const Section<T>&, const Network<T>&, const Block<T>&);
  // Begins with a barrier. The last layer's result goes to `out` (rows, outputs), or to `output()` if `out` is null.
  void forward(const Section<T>&, const Network<T>&, const Block<T>&, Output, const Dropout&, T* out = nullptr);
  // Losses of this thread's rows, and delta when `gradient`. Begins with a barrier.
  // Where the objective is not linked the loss takes the activations, and delta is multiplied by the output's slope.
  void loss(const Section<T>&, const Network<T>&, const Block<T>&, const Objective&, bool gradient, T delta_scale);
  // delta of the output layer, from the loss's derivative with respect to the outputs (rows, outputs).
  void output_slope(const Section<T>&, const Network<T>&, const T* by_activation);
  // Deltas of the hidden layers from the output layer's delta. A barrier precedes each layer.
  void deltas(const Section<T>&, const Network<T>&, const Dropout&);
  // The flat gradient over all rows. All threads' deltas must be complete (barrier before the call). Each layer's
  // parameters are divided by rows or columns of W (share_gradient), and ready(layer, patch) is called when this thread
  // has finished a part. If `gradient` is null, a part is valid only until `ready` returns.
  template <class Ready>
  void gradient(const Team&, const Network<T>&, const Block<T>&, T* gradient, bool accumulate, const Dropout&,
                Ready ready);

  const T* output() const { return activations_.back(); }
  // Sum of the weighted losses of all the block's rows, in order. All threads' must be complete (barrier before).
  double loss_sum(int64 rows) const;
  void copy_losses(int64 rows, double* out) const {
    std::copy_n(losses_.data(), (rows + loss_rows - 1) / loss_rows, out);
  }

 private:
  bool by_layers(const Team&, const Network<T>&, int64 rows) const;
  // Inputs of layer l, before and after dropout.
  Matrix<const T> undropped_input(const Network<T>&, const Block<T>&, std::size_t l) const;
  Matrix<const T> input(const Network<T>&, const Block<T>&, std::size_t l, const Dropout&) const;
  void product(const Section<T>&, const Gemm<T>&) const;
  void slope_of_output(const Network<T>&, Range rows);
  // to = from with the dropout mask of layer l's inputs applied, for this thread's rows.
  void drop(const Section<T>&, const Dropout&, std::size_t l, const Matrix<const T>& from, T* to) const;

  const Kernels<T>* kernel_ = nullptr;
  Buffer<T> arena_;                                           // memory of the T* below
  T *x_ = nullptr, *targets_ = nullptr, *weights_ = nullptr;  // gathered
  std::vector<T*> activations_;     // a of each layer; two alternating buffers unless Purpose::gradient
  std::vector<T*> preactivations_;  // z of the layers whose slope needs it
  std::vector<T*> dropped_;         // each layer's inputs after dropout
  std::vector<T*> deltas_;
  Buffer<int64> labels_;
  Buffer<double> losses_;  // one sum per loss_rows rows
  Workspaces<T> workspaces_;
  Workspaces<T> gradient_parts_;
};

// ---- gradient, in the header because of its parameter `Ready` ------------------------------------------

template <class T>
template <class Ready>
void Pass<T>::gradient(const Team& team, const Network<T>& network, const Block<T>& block, T* gradient, bool accumulate,
                       const Dropout& dropout, Ready ready) {
  const bool columns_first = by_layers(team, network, block.x.rows);
  for (int l = static_cast<int>(network.layers.size()) - 1; l >= 0; --l) {
    const Layer& layer = network.layers[l];
    const Matrix<const T> x = input(network, block, l, dropout);
    const Rectangle own = share_gradient(team, columns_first, layer.inputs, layer.outputs, kernel_->tile_columns);
    if (own.rows.begin == own.rows.end) continue;
    const int64 first = own.rows.begin == 0 ? 0 : own.rows.begin + 1;  // row 0 of the layer is the bias
    const Matrix<const T> own_x{x.data + own.rows.begin, x.rows, own.rows.end - own.rows.begin, x.rs};
    for (int64 j = own.columns.begin; j < own.columns.end; j += part_columns) {
      const int64 width = std::min(own.columns.end - j, part_columns);
      const Matrix<const T> delta{deltas_[l] + j, x.rows, width, layer.outputs};
      const int64 begin = layer.offset + first * layer.outputs + j;
      T* const to = gradient != nullptr ? gradient + begin : gradient_parts_.of(team);
      const int64 to_rs = gradient != nullptr ? layer.outputs : width;
      if (first == 0) kernel_->column_sums(delta, {0, width}, to, accumulate);
      Gemm<T> g = gradient_gemm(own_x, delta, to + (first == 0 ? to_rs : 0), to_rs);
      g.accumulate = accumulate;
      kernel_->gemm(g, {0, g.rows}, {0, width}, workspaces_.of(team));
      ready(layer, Patch<T>{begin, own.rows.end + 1 - first, width, layer.outputs, to, to_rs});
    }
  }
}

}  // namespace nablas
