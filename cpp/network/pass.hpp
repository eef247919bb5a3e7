// One block of rows on its way through a network, forward and back: the buffers, and the phases.
//
// A phase is called for a section: some rows of the block and the team that works on them. By layers, the whole team
// works on all rows and meets between layers; by rows, each thread is a team of its own and takes its rows through
// all layers, forward and back, without meeting anybody. Only `gradient`, which sums over all rows, is always shared.
#pragma once

#include <algorithm>
#include <vector>

#include "network/network.hpp"
#include "network/team_kernels.hpp"

namespace nablas {

// What a fit, an evaluation or a gradient reads. Rows are visited in `order`, or as they come.
template <class T>
struct Data {
  Source x;
  const T* targets = nullptr;     // (rows, outputs) contiguous
  const int64* labels = nullptr;  // (rows,)
  const T* weights = nullptr;     // (rows,)
  const int64* order = nullptr;   // (rows,)
  int64 row(int64 i) const { return order != nullptr ? order[i] : i; }
};

// The rows under way as the phases read them: in the data where they lie ready there, otherwise gathered.
template <class T>
struct Block {
  const Data<T>* data;
  Range rows;  // of the visiting order
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

// Columns of a layer's gradient that are computed and then used in one go.
constexpr int64 part_columns = 512;

enum class Purpose { outputs, loss, gradient };

// What the forward pass computes at the output layer: its activation, or the z a linked loss wants.
enum class Output { activation, preactivation };

struct Dropout {
  const double* rates = nullptr;  // one for each layer's inputs; null: no dropout
  std::uint64_t seed = 0, step = 0;
  int64 first_row = 0;  // the block's first row within its batch
  double rate(std::size_t l) const { return rates == nullptr ? 0 : rates[l]; }
};

template <class T>
class Pass {
 public:
  // Allocates for blocks of up to `rows` rows and teams of up to `threads`.
  void prepare(const Network<T>& network, Purpose purpose, bool dropout, int64 rows, int threads);

  // `copy`: gather even what lies ready, so that the block outlives the data.
  Block<T> block(const Network<T>&, const Data<T>&, Range rows, bool copy = false);
  // This thread's section of a block of so many rows: by rows where each thread gets enough of them, else by layers.
  Section<T> section(const Team&, const Network<T>&, int64 rows);

  void gather(const Section<T>&, const Network<T>&, const Block<T>&);
  // Begins with a barrier. The last layer's result goes to `out` (rows, outputs), or to `output()` when it is null.
  void forward(const Section<T>&, const Network<T>&, const Block<T>&, Output, const Dropout&, T* out = nullptr);
  // Losses of this thread's rows, and delta when `gradient`. Begins with a barrier.
  // `linked` false: the loss takes the activations, and delta is carried through the output's slope.
  void loss(const Section<T>&, const Network<T>&, const Block<T>&, const LossEntry<T>&, bool linked, bool gradient,
            T delta_scale);
  // delta of the output layer = gradient by the outputs' activations (rows, outputs) ⊙ their slope.
  void output_slope(const Section<T>&, const Network<T>&, const T* by_activation);
  // From the output layer's delta to those below. Begins with a barrier.
  void deltas(const Section<T>&, const Network<T>&, const Dropout&);
  // The flat gradient of all rows; everybody's deltas must be there. Each layer's parameters are divided by rows
  // of W, or as the forward pass by layers divides them, and ready(layer, patch) is called as soon as this thread has
  // finished a part. Without a `gradient` to fill, a part lives in the thread's cache until `ready` returns.
  template <class Ready>
  void gradient(const Team&, const Network<T>&, const Block<T>&, T* gradient, bool accumulate, const Dropout&,
                Ready ready);

  const T* output() const { return activations_.back(); }
  // Weighted losses of all the block's rows, added up in order. Everybody's must be there.
  double loss_sum(int64 rows) const;
  void copy_losses(int64 rows, double* out) const {
    std::copy_n(losses_.data(), (rows + loss_rows - 1) / loss_rows, out);
  }

 private:
  bool by_layers(const Team&, const Network<T>&, int64 rows) const;
  // What layer l reads, before and after dropout.
  Matrix<const T> undropped_input(const Network<T>&, const Block<T>&, std::size_t l) const;
  Matrix<const T> input(const Network<T>&, const Block<T>&, std::size_t l, const Dropout&) const;
  void product(const Section<T>&, const Gemm<T>&) const;
  void slope_of_output(const Network<T>&, Range rows);
  // Multiplies this thread's rows by the mask of layer l's inputs.
  void drop(const Section<T>&, const Dropout&, std::size_t l, const Matrix<const T>& from, T* to) const;

  const Kernels<T>* kernel_ = nullptr;
  Buffer<T> arena_;                                           // all of the following
  T *x_ = nullptr, *targets_ = nullptr, *weights_ = nullptr;  // gathered
  std::vector<T*> activations_;     // a of each layer; two in turn where only the outputs are wanted
  std::vector<T*> preactivations_;  // z of the layers whose slope needs it
  std::vector<T*> dropped_;         // each layer's inputs after dropout
  std::vector<T*> deltas_;
  Buffer<int64> labels_;
  Buffer<double> losses_;  // of each loss_rows rows
  Workspaces<T> workspaces_;
  Workspaces<T> gradient_parts_;
};

// ---- gradient, a template for the sake of `ready` ------------------------------------------------------

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
    const int64 first = own.rows.begin == 0 ? 0 : own.rows.begin + 1;  // row 0 of the layer is the bias, and W follows
    const Matrix<const T> own_x{x.data + own.rows.begin, x.rows, own.rows.end - own.rows.begin, x.row};
    for (int64 j = own.columns.begin; j < own.columns.end; j += part_columns) {
      const int64 width = std::min(own.columns.end - j, part_columns);
      const Matrix<const T> delta{deltas_[l] + j, x.rows, width, layer.outputs};
      const int64 begin = layer.offset + first * layer.outputs + j;
      T* const to = gradient != nullptr ? gradient + begin : gradient_parts_.of(team);
      const int64 to_row = gradient != nullptr ? layer.outputs : width;
      if (first == 0) kernel_->column_sums(delta, {0, width}, to, accumulate);
      Gemm<T> g = gradient_gemm(own_x, delta, to + (first == 0 ? to_row : 0), to_row);
      g.accumulate = accumulate;
      kernel_->gemm(g, {0, g.rows}, {0, width}, workspaces_.of(team));
      ready(layer, Patch<T>{begin, own.rows.end + 1 - first, width, layer.outputs, to, to_row});
    }
  }
}

}  // namespace nablas
