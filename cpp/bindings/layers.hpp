// Arguments and results of a dense layer's kernels.
#pragma once

#include <optional>

#include "bindings/arrays.hpp"

namespace nablas {

// ValueError unless weights are (inputs + 1, outputs), row 0 the bias; `inputs` -1: of any number.
template <class T>
void check_weights(const Input<T>& weights, int64 inputs = -1) {
  check_dimensions(weights.array(), 2, "weights");
  if (weights.rows() < 1) value_error("weights", "at least the bias row", "0 rows");
  if (inputs >= 0 && weights.rows() != inputs + 1)
    value_error("weights", text(inputs + 1, " rows (a bias row and one for each column of x)"), text(weights.rows()));
}

// ValueError if two arrays to write, where both are given, share memory.
inline void check_apart(py::handle one, const char* one_name, py::handle other, const char* other_name) {
  if (one.is_none() || other.is_none()) return;
  if (overlap(as_array(one, one_name), as_array(other, other_name)))
    value_error(other_name, text("memory apart from ", one_name), "an overlap");
}

// The outputs of a layer, and its preactivations where they are wanted.
template <class T>
class LayerResult {
 public:
  LayerResult(py::handle out, py::handle preactivation_out, const Shape& shape, Arrays inputs)
      : out_(out, shape, "out", inputs) {
    if (preactivation_out.is_none()) return;
    preactivation_.emplace(preactivation_out, shape, "preactivation_out", inputs);
    check_apart(out, "out", preactivation_out, "preactivation_out");
  }
  T* data() { return out_.data(); }
  T* preactivation() { return preactivation_ ? preactivation_->data() : nullptr; }
  py::array finish() {
    if (preactivation_) preactivation_->finish();
    return out_.finish();
  }

 private:
  Result<T> out_;
  std::optional<Result<T>> preactivation_;
};

}  // namespace nablas
