// Forward and backward pass of one block of rows through a network: buffers and stages.
//
// By layers, a stage's outputs are divided over the parts of a phase and a phase is one stage. By rows, a phase is the
// whole pass, and each part takes its rows through all stages. Only `gradient`, which sums over all rows, is always
// divided over all parts, in a phase of its own.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "network/network.hpp"
#include "network/panels.hpp"
#include "network/team_kernels.hpp"

namespace nablas {

// Data of a fit, an evaluation or a gradient. Rows are visited in `order`; null: in the order of x.
template <class T>
struct Samples {
  AnyMatrix x;                              // of a sparse matrix only `rows` and `columns`
  const SparseMatrix<T>* sparse = nullptr;  // in place of x
  const T* targets = nullptr;               // (rows, outputs) contiguous
  const int64* labels = nullptr;            // (rows, label_columns)
  const T* weights = nullptr;               // (rows,)
  const int64* order = nullptr;             // (rows,)
  // Groups of outputs, each with a softmax and a column of labels of its own; null: all outputs are one group.
  const Range* groups = nullptr;
  int64 label_columns = 1;
  int64 row(int64 i) const { return order != nullptr ? order[i] : i; }
  // Multiply-adds of one forward pass of one sample, on average.
  double operations(const Network<T>& network) const {
    if (sparse == nullptr || sparse->rows == 0) return network.operations();
    const double terms =
        std::max(1.0, static_cast<double>(sparse->offsets[sparse->rows]) / static_cast<double>(sparse->rows));
    return network.operations() + (terms - static_cast<double>(x.columns)) * network.layers.front().outputs;
  }
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
  bool sparse;         // x is data->sparse; else of a sparse matrix a dense copy is gathered
  bool own_x = false;  // every part gathers a copy of all rows for itself
};

// Some rows of a block, and the part of a stage's outputs on these rows that a thread computes.
template <class T>
struct Section {
  Team team;
  Range rows;  // of the block
  T* workspace;
  int part;  // of the phase: whose inputs are read where every part has its own (Block::own_x)
  Range own_rows(int64 grain) const {
    const Range part = team.share(rows.end - rows.begin, grain);
    return {rows.begin + part.begin, rows.begin + part.end};
  }
};

// Columns of a layer's gradient that are computed and passed to `ready` at a time.
constexpr int64 part_columns = 512;

// Copies of a block's inputs, and the elements of one, up to which each part may have one of its own; the bytes of one
// up to which it stays in L2 beside the rest.
constexpr int most_copies = 4;
constexpr int64 largest_copy_elements = 1 << 19, cached_copy_bytes = 1 << 19;

// What the forward pass computes at the output layer: its activation, or z for a linked loss.
enum class Output { activation, preactivation };

struct Objective {
  int loss;     // index into the losses
  bool linked;  // the output activation is the loss's link: loss and delta are computed from z
  const double* hyperparameters = nullptr;  // of the loss
  Output output() const { return linked ? Output::preactivation : Output::activation; }
};

// Multiply-adds per layer from which by layers is faster than by rows (docs/performance.md): by rows, every thread
// reads and packs all weights; by layers, only its own columns, and all wait for the last one between layers.
constexpr double operations_by_layers = 7e6;

// What a pass ends with: the network's outputs, the losses, or every delta.
enum class Purpose { outputs, loss, gradient };

struct Dropout {
  const double* rates = nullptr;  // (layers,), of each layer's inputs; null: no dropout
  std::uint64_t seed = 0, step = 0;
  int64 first_row = 0;  // the block's first row within its batch
  double rate(std::size_t l) const { return rates == nullptr ? 0 : rates[l]; }
  Dropout from(int64 row) const { return {rates, seed, step, row}; }
};

// What a pass of one block reads and writes besides the pass's own buffers.
template <class T>
struct PassArguments {
  Block<T> block;
  Output output;
  Dropout dropout;
  Objective objective;            // unless Purpose::outputs
  bool wants_delta;               // of the output layer, with the losses
  T delta_scale;                  // 1 / (sum of the batch's weights)
  T* out = nullptr;               // of the last layer, (rows, outputs); null: the pass's own buffer
  const T* by_outputs = nullptr;  // the loss's derivative with respect to the outputs, (rows, outputs)
};

struct Stage {
  enum Kind { gather, drop, layer, softmax, loss, output_slope, delta, drop_delta } kind;
  int l;  // the layer
};

template <class T>
class Pass {
 public:
  // Allocates for blocks of up to `rows` rows of the data and up to `threads` threads. `copies`: for blocks with
  // `copy`; sparse rows are then gathered dense.
  void prepare(const Network<T>& network, const Samples<T>&, Purpose purpose, const Dropout&, int64 rows, int threads,
               bool copies = false);

  // `copy`: gather everything, so that the block does not refer to the data. Then kept_block() of the same rows is for
  // what follows the forward pass.
  Block<T> block(const Network<T>&, const Samples<T>&, Range rows, bool copy = false);
  Block<T> kept_block(const Network<T>&, Range rows) const;
  // Blocks begin at this row of the buffers, which `prepare` with `copies` makes for all rows of a batch. Not after a
  // move.
  void begin_at(int64 row);

  // The stages from the data on.
  void list_stages(const Network<T>&, Purpose, Output, const Dropout&, std::vector<Stage>&) const;
  // The stages from the loss's derivative with respect to the outputs on.
  void list_backward_stages(const Network<T>&, const Dropout&, std::vector<Stage>&) const;
  void run(const Stage&, const Section<T>&, const Network<T>&, const PassArguments<T>&);

  // Weights are read from `parameters`, which are in this order; until `use_network_order`, the network's are not.
  void use_panels(const PanelOrder<T>& order, const T* parameters) {
    order_ = &order;
    parameters_ = parameters;
  }
  bool reads_panels() const { return order_ != nullptr; }
  void use_network_order() {
    order_ = nullptr;
    parameters_ = nullptr;
  }

  // By layers if there are fewer than loss_rows rows a part or at least operations_by_layers multiply-adds per layer.
  bool by_layers(int parts, const Network<T>&, int64 rows) const;
  // Whether a stage is divided so although the pass is not: where a thread's own weights outweigh all inputs.
  bool by_columns(const Stage&, int parts, const Network<T>&, int64 rows) const;
  // Whether each part gathers all rows for itself: where the first layer's gradient, or the layer, is divided by
  // columns, so that all parts read all rows, and lines that one processor writes and others read cost more than
  // reading the data again.
  bool own_inputs(int parts, const Network<T>&, const Block<T>&, const Dropout&) const;
  Section<T> section(const Team&, bool divided, int64 rows);  // `divided`: each stage, not the rows

  // The flat gradient over all rows, after every delta. Each layer's parameters are divided by rows or columns of W
  // (share_gradient), and ready(layer, patch) is called for each patch that this part has finished. If `gradient` is
  // null, a patch is valid only until `ready` returns.
  template <class Ready>
  void gradient(const Team&, const Network<T>&, const Block<T>&, T* gradient, bool accumulate, const Dropout&,
                Ready ready);

  const T* output() const { return activations_.back(); }
  // Of the arrays with one entry a row and unit.
  int64 bytes() const { return arena_.size() * static_cast<int64>(sizeof(T)); }
  // Sum of the weighted losses of all the block's rows, in order.
  double loss_sum(int64 rows) const;
  void copy_losses(int64 rows, double* out) const {
    std::copy_n(losses_.data(), (rows + loss_rows - 1) / loss_rows, out);
  }

 private:
  // One of the arrays in `arena_`: (rows, columns) from `offset` on.
  struct Place {
    T** pointer;
    int64 offset, columns;
  };
  // Layer l's parameters.
  const T* parameters(const Network<T>& network, std::size_t l) const {
    return (parameters_ != nullptr ? parameters_ : network.parameters.data()) + network.layers[l].offset;
  }
  // Whether a layer's panels divide about evenly over the parts.
  bool even(int parts, const Layer& layer) const {
    const int64 panels = (layer.outputs + kernel_->tile_columns - 1) / kernel_->tile_columns;
    return panels % parts == 0 || panels >= 4 * parts;
  }
  // Whether layer l's weights are in panels.
  bool layer_in_panels(std::size_t l) const { return order_ != nullptr && order_->of(l); }
  // The gradient of some columns of a layer in panels, from column j on.
  template <class Ready>
  void panel_gradient(const Team&, const Layer&, const Matrix<const T>& x, const Matrix<const T>& delta, int64 j,
                      Range rows, T* gradient, bool accumulate, Ready ready);
  // Inputs of layer l, before and after dropout.
  Matrix<const T> undropped_input(const Network<T>&, const Block<T>&, std::size_t l, int part) const;
  Matrix<const T> input(const Network<T>&, const Block<T>&, std::size_t l, const Dropout&, int part) const;
  // A stage's share, by kind.
  void gather(const Section<T>&, const Network<T>&, const Block<T>&);
  void forward(const Section<T>&, const Network<T>&, const PassArguments<T>&, std::size_t l);
  void sparse_forward(const Section<T>&, const Network<T>&, const PassArguments<T>&, T* out);
  void softmax(const Section<T>&, const Network<T>&, T* out);
  void loss(const Section<T>&, const Network<T>&, const PassArguments<T>&);
  void output_slope(const Section<T>&, const Network<T>&, const T* by_outputs);
  void delta(const Section<T>&, const Network<T>&, int64 rows, std::size_t l);
  void product(const Section<T>&, const Gemm<T>&) const;
  void slope_of_output(const Network<T>&, Range rows);
  void clear_unweighted(const Network<T>&, const T* weights, Range rows);
  // to = from with the dropout mask of layer l's inputs applied, for this section's share of the rows.
  void drop(const Section<T>&, const Dropout&, std::size_t l, const Matrix<const T>& from, T* to) const;

  const Kernels<T>* kernel_ = nullptr;
  double operations_ = 0;                                     // multiply-adds of one forward pass of one sample
  bool sparse_ = false;                                       // the first layer takes sparse rows
  const PanelOrder<T>* order_ = nullptr;                      // null: as in the network
  const T* parameters_ = nullptr;                             // in that order
  Buffer<T> arena_;                                           // memory of the T* below
  std::vector<Place> places_;                                 // where they begin
  T *x_ = nullptr, *targets_ = nullptr, *weights_ = nullptr;  // gathered
  int copies_ = 1;                                            // of x_
  int64 copy_elements_ = 0;                                   // from one to the next
  std::vector<T*> activations_;     // a of each layer; two alternating buffers unless Purpose::gradient
  std::vector<T*> preactivations_;  // z of the layers whose slope needs it
  std::vector<T*> dropped_;         // each layer's inputs after dropout
  std::vector<T*> deltas_;
  Buffer<int64> labels_;
  Buffer<double> losses_;  // one sum per loss_rows rows
  Workspaces<T> workspaces_;
  Workspaces<T> gradient_parts_;
};

// A pass of one block as phases. `begin`, then part(team) for all parts, advance(), and so on until it returns false.
template <class T>
class PassPhases {
 public:
  std::vector<Stage> stages;
  PassArguments<T> arguments;
  void begin(Pass<T>& pass, const Network<T>& network, int parts) {
    pass_ = &pass;
    network_ = &network;
    parts_ = parts;
    by_layers_ = pass.by_layers(parts, network, arguments.block.x.rows);
    arguments.block.own_x = pass.own_inputs(parts, network, arguments.block, arguments.dropout);
    begin_phase(0);
  }
  void part(const Team& team) {
    const Section<T> section = pass_->section(team, divided_, arguments.block.x.rows);
    for (std::size_t i = first_; i < end_; ++i) pass_->run(stages[i], section, *network_, arguments);
  }
  bool advance() {
    begin_phase(end_);
    return first_ < stages.size();
  }

 private:
  bool is_divided(std::size_t i) const {
    return by_layers_ || pass_->by_columns(stages[i], parts_, *network_, arguments.block.x.rows);
  }
  void begin_phase(std::size_t first) {
    // All rows are gathered in the same phase as the first layer.
    const bool gathers_all = first == 0 && arguments.block.own_x && is_divided(1);
    first_ = first;
    end_ = std::min(first + (gathers_all ? 2 : 1), stages.size());
    divided_ = gathers_all || (first_ < end_ && is_divided(first_));
    while (!divided_ && end_ < stages.size() && !is_divided(end_)) ++end_;
  }

  Pass<T>* pass_ = nullptr;
  const Network<T>* network_ = nullptr;
  int parts_ = 1;
  bool by_layers_ = false;
  bool divided_ = false;             // the present phase is one stage, divided over the parts
  std::size_t first_ = 0, end_ = 0;  // the present phase's stages
};

// ---- gradient, in the header because of its parameter `Ready` ------------------------------------------

template <class T>
template <class Ready>
void Pass<T>::gradient(const Team& team, const Network<T>& network, const Block<T>& block, T* gradient, bool accumulate,
                       const Dropout& dropout, Ready ready) {
  const bool by_columns = by_layers(team.size, network, block.x.rows);
  for (int l = static_cast<int>(network.layers.size()) - 1; l >= 0; --l) {
    const Layer& layer = network.layers[l];
    const Matrix<const T> x = input(network, block, l, dropout, team.rank);
    const bool panels = layer_in_panels(l);
    const Rectangle own = share_gradient(team, by_columns || (panels && even(team.size, layer)), layer.inputs,
                                         layer.outputs, kernel_->tile_columns);
    if (own.rows.begin == own.rows.end) continue;
    const int64 first = own.rows.begin == 0 ? 0 : own.rows.begin + 1;  // row 0 of the layer is the bias
    for (int64 j = own.columns.begin; j < own.columns.end; j += part_columns) {
      const int64 width = std::min(own.columns.end - j, part_columns);
      const Matrix<const T> delta{deltas_[l] + j, x.rows, width, layer.outputs};
      if (panels) {
        panel_gradient(team, layer, x, delta, j, own.rows, gradient, accumulate, ready);
        continue;
      }
      const int64 begin = layer.offset + first * layer.outputs + j;
      T* const to = gradient != nullptr ? gradient + begin : gradient_parts_.of(team);
      const int64 to_rs = gradient != nullptr ? layer.outputs : width;
      T* const to_weights = to + (first == 0 ? to_rs : 0);
      if (l == 0 && block.sparse) {
        if (first == 0) kernel_->column_sums(delta, {0, width}, to, accumulate);
        kernel_->sparse_gradient(*block.data->sparse, block.data->order, block.rows.begin, own.rows, delta, to_weights,
                                 to_rs, accumulate);
      } else {
        const Matrix<const T> own_x{x.data + own.rows.begin, x.rows, own.rows.end - own.rows.begin, x.rs};
        Gemm<T> g = gradient_gemm(own_x, delta, to_weights, to_rs);
        g.accumulate = accumulate;
        if (first == 0) g.sums = to;
        kernel_->gemm(g, {0, g.rows}, {0, width}, workspaces_.of(team));
      }
      ready(layer, Patch<T>{begin, own.rows.end + 1 - first, width, layer.outputs, to, to_rs});
    }
  }
}

template <class T>
template <class Ready>
void Pass<T>::panel_gradient(const Team& team, const Layer& layer, const Matrix<const T>& x,
                             const Matrix<const T>& delta, int64 j, Range rows, T* gradient, bool accumulate,
                             Ready ready) {
  const int64 count = rows.end - rows.begin, width = delta.columns, inputs = layer.inputs;
  T* const scratch = gradient_parts_.of(team);
  if (rows.begin == 0) {
    T* const bias = gradient != nullptr ? gradient + layer.offset + j : scratch;
    kernel_->column_sums(delta, {0, width}, bias, accumulate);
    ready(layer, Patch<T>{layer.offset + j, 1, width, width, bias, width});
  }
  const int64 begin = layer.offset + layer.outputs + j * inputs;  // of the first panel
  const bool in_place = gradient != nullptr;
  const Matrix<const T> own_x{x.data + (in_place ? 0 : rows.begin), x.rows, in_place ? inputs : count, x.rs};
  T* const to = in_place ? gradient + begin : scratch;
  Gemm<T> g = gradient_gemm(own_x, delta, to, own_x.columns);
  g.c_panels = true;
  g.accumulate = accumulate;
  kernel_->gemm(g, in_place ? rows : Range{0, count}, {0, width}, workspaces_.of(team));
  const int64 together = count == inputs ? width : kernel_->tile_columns;  // whole panels are contiguous
  for (int64 k = 0; k < width; k += together) {
    const int64 columns = std::min(together, width - k), skipped = rows.begin * columns;
    const T* const from = to + k * own_x.columns + (in_place ? skipped : 0);
    ready(layer, Patch<T>{begin + k * inputs + skipped, 1, count * columns, count * columns, from, count * columns});
  }
}

}  // namespace nablas
