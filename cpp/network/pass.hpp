// One block of rows on its way through a network, forward and back: the buffers, and the phases that a team runs.
//
// Every thread of the team calls each phase; a phase that reads what other threads wrote begins with a barrier.
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

enum class Purpose { outputs, loss, gradient };

// What the forward pass computes at the output layer: its activation, or the z a linked loss wants.
enum class Output { activation, preactivation };

struct Dropout {
  std::vector<double> rates;  // one for each layer's inputs; 0: none
  std::uint64_t seed = 0, step = 0;
  int64 first_row = 0;  // the block's first row within its batch
  bool any() const {
    for (const double rate : rates)
      if (rate > 0) return true;
    return false;
  }
};

template <class T>
class Pass {
 public:
  // Allocates for blocks of up to `rows` rows and teams of up to `threads`.
  void prepare(const Network<T>& network, Purpose purpose, bool dropout, int64 rows, int threads);

  // Rows [begin, end) of the data into this pass. The team must have met since the last block's backward.
  void gather(const Team&, const Network<T>&, const Data<T>&, Range rows);
  // Begins with a barrier. Results: `output()`, after one more barrier.
  void forward(const Team&, const Network<T>&, Output, const Dropout*);
  // Loss over this thread's rows into `partial_losses`, and delta when `gradient`. Begins with a barrier.
  // `linked` false: the loss takes the activations, and delta is carried through the output's slope.
  void loss(const Team&, const Network<T>&, const LossEntry<T>&, bool linked, bool gradient, T delta_scale);
  // From delta (the loss's derivative by the outputs' z) to the flat gradient. Begins with a barrier.
  void backward(const Team&, const Network<T>&, T* gradient, bool accumulate, const Dropout*);
  // delta = gradient by the outputs' activations (rows, outputs) ⊙ their slope.
  void output_slope(const Team&, const Network<T>&, const T* by_activation);

  int64 rows() const { return rows_; }
  const T* output() const { return activations_.back().data(); }
  double partial_loss() const;  // sum of the chunks in order; after a barrier
  void copy_partial_losses(double* out) const {
    std::copy_n(partial_losses_.data(), (rows_ + loss_rows - 1) / loss_rows, out);
  }
  T* delta() { return deltas_[last_delta()].data(); }

 private:
  int last_delta() const { return static_cast<int>(activations_.size()) % 2; }
  Range own_rows(const Team& team) const { return team.share(rows_, loss_rows); }
  void slope_of_output(const Network<T>&, Range rows);
  // What layer l read before and after dropout.
  T* undropped_input(std::size_t l) { return l == 0 ? input_.data() : activations_[l - 1].data(); }
  T* input(std::size_t l, const Dropout* dropout) {
    return dropout != nullptr && dropout->rates[l] > 0 ? dropped_[l].data() : undropped_input(l);
  }
  // Multiplies own rows of (rows, columns) by the mask of layer l's inputs.
  void drop(const Team&, const Dropout&, std::size_t l, int64 columns, const T* from, T* to);

  const Kernels<T>* kernel_ = nullptr;
  int64 rows_ = 0;
  bool has_labels_ = false, has_weights_ = false;
  Buffer<T> input_, targets_, weights_;
  Buffer<int64> labels_;
  std::vector<Buffer<T>> activations_;     // a of each layer
  std::vector<Buffer<T>> preactivations_;  // z of the layers whose slope needs it
  std::vector<Buffer<T>> dropped_;         // each layer's inputs after dropout
  Buffer<T> deltas_[2];                    // delta of layer l stands in deltas_[(l + 1) % 2]
  Buffer<double> partial_losses_;
  Workspaces<T> workspaces_;
};

}  // namespace nablas
