// Training and evaluation data from Python.
#pragma once

#include <limits>
#include <optional>
#include <string>

#include "bindings/arrays.hpp"
#include "bindings/registry.hpp"
#include "bindings/sparse.hpp"
#include "network/trainer.hpp"

namespace nablas {

// Targets of at most so many bytes are copied, so that editing them during a fit changes nothing. Labels and weights
// always are. X and larger targets are read in place: edits are seen, and cannot make the engine leave the arrays.
constexpr py::ssize_t copied_bytes = py::ssize_t{1} << 26;

// The same, or an error for a number that is not finite or that T cannot hold.
template <class T>
Adjustment checked(const Adjustment& adjustment) {
  check_finite_scalar(adjustment.l1, "l1");
  check_held_by<T>(adjustment.l1, "l1");
  check_finite_scalar(adjustment.l2, "l2");
  check_held_by<T>(adjustment.l2, "l2", 2);
  check_finite_scalar(adjustment.clip_norm, "clip_norm");
  check_finite_scalar(adjustment.mean_weight, "mean_weight");
  return adjustment;
}

// Rows to train on or to evaluate, checked by the constructor. Keeps references to the arrays it reads.
template <class T>
struct Dataset {
  Dataset(const Network<T>& network, py::handle x, py::handle targets, py::handle sample_weight,
          const std::string& loss, const py::dict& hyperparameters, const std::vector<int64>& groups)
      : x(x, "X"), loss(loss_index(loss)) {
    const LossEntry<T>& entry = any_kernels<T>().losses[this->loss];
    read_hyperparameters(entry, hyperparameters, this->hyperparameters);
    data.x = this->x.view;
    data.sparse = this->x.sparse;
    const int64 rows = data.x.rows;
    inputs = network.inputs(), outputs = network.outputs();
    if (data.x.columns != network.inputs())
      value_error("X", "shape (n, " + std::to_string(network.inputs()) + ")",
                  "(" + std::to_string(rows) + ", " + std::to_string(data.x.columns) + ")");
    if (!targets.is_none()) {
      const py::array array = as_array(targets, "y");
      if (!groups.empty()) {
        read_groups(groups, array, rows);
      } else if (entry.takes_labels && array.ndim() == 1) {
        labels = label_array(array, rows, outputs, "y");
        data.labels = labels->data();
      } else {
        this->targets.emplace(array, "y");
        this->targets->expect({rows, outputs}, "y");
        if (this->targets->array().nbytes() <= copied_bytes) this->targets->keep_copy();
        check_range(*this->targets, entry.lowest, entry.highest, "y");
        data.targets = this->targets->data();
      }
    }
    if (!sample_weight.is_none()) {
      weights.emplace(sample_weight, "sample_weight");
      weights->expect({rows}, "sample_weight");
      weights->keep_copy();
      check_range(*weights, 0, std::numeric_limits<T>::max(), "sample_weight");
      total_weight(weights->data(), rows, "sample_weight", true);
      data.weights = weights->data();
    }
  }
  // Whether the loss fits the output was checked in Python (_losses.resolve).
  Objective objective(const Network<T>& network) const {
    const std::string link = any_kernels<T>().losses[loss].link;
    const std::string output =
        network.softmax_output() ? "softmax" : any_kernels<T>().activations[network.layers.back().activation].name;
    if (data.targets == nullptr && data.labels == nullptr) value_error("y", "targets", "None");
    if (network.inputs() != inputs || network.outputs() != outputs)
      value_error("data", "data made for this network", "another network's");
    return {loss, output == (groups.empty() ? link : "identity"), hyperparameters};
  }
  RowsInput<T> x;
  int loss;
  double hyperparameters[max_hyperparameters] = {};  // of the loss
  int64 inputs = 0, outputs = 0;
  std::optional<py::array_t<int64>> labels;
  std::vector<Range> groups;
  Buffer<int64> group_labels;
  std::optional<Input<T>> targets, weights;
  Samples<T> data;

 private:
  // Groups of outputs of the given sizes, and class indices (rows, groups) within them.
  void read_groups(const std::vector<int64>& sizes, const py::array& array, int64 rows) {
    const auto count = static_cast<int64>(sizes.size());
    if (!any_kernels<T>().losses[loss].takes_labels) value_error("groups", "none for this loss", std::to_string(count));
    check_shape(array, {rows, count}, "y");
    group_labels.reserve(rows * count);
    int64 end = 0;
    for (int64 g = 0; g < count; ++g) {
      if (sizes[g] < 1 || sizes[g] > outputs - end)
        value_error("groups", "sizes of at least 1 whose sum is " + std::to_string(outputs), std::to_string(sizes[g]));
      groups.push_back({end, end + sizes[g]});
      end += sizes[g];
      const py::array column = array[py::make_tuple(py::ellipsis(), g)];
      const py::array_t<int64> checked = label_array(column, rows, sizes[g], "y");
      for (int64 i = 0; i < rows; ++i) group_labels.data()[i * count + g] = checked.data()[i];
    }
    if (end != outputs) value_error("groups", "sizes whose sum is " + std::to_string(outputs), std::to_string(end));
    data.labels = group_labels.data();
    data.groups = groups.data();
    data.label_columns = count;
  }
};

}  // namespace nablas
