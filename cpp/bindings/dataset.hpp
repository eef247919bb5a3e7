// The rows that networks are trained and evaluated on, as Python hands them over.
#pragma once

#include <limits>
#include <optional>
#include <string>

#include "bindings/arrays.hpp"
#include "bindings/registry.hpp"
#include "network/trainer.hpp"

namespace nablas {

// Rows to train on or to evaluate, checked once. Holds on to the arrays it reads.
template <class T>
struct Dataset {
  Dataset(const Network<T>& network, py::handle x, py::handle targets, py::handle sample_weight,
          const std::string& loss)
      : x(x, "X"), loss(loss_index(loss)) {
    const LossEntry<T>& entry = any_kernels<T>().losses[this->loss];
    data.x = this->x.source;
    const int64 rows = data.x.rows;
    inputs = network.inputs(), outputs = network.outputs();
    if (data.x.columns != network.inputs())
      value_error("X", "shape (n, " + std::to_string(network.inputs()) + ")",
                  "(" + std::to_string(rows) + ", " + std::to_string(data.x.columns) + ")");
    if (!targets.is_none()) {
      const py::array array = as_array(targets, "y");
      if (entry.takes_labels && array.ndim() == 1) {
        labels = label_array(array, rows, outputs, "y");
        data.labels = labels.data();
      } else {
        this->targets.emplace(array, "y");
        this->targets->expect({rows, outputs}, "y");
        check_range(*this->targets, entry.lowest, entry.highest, "y");
        data.targets = this->targets->data();
      }
    }
    if (!sample_weight.is_none()) {
      weights.emplace(sample_weight, "sample_weight");
      weights->expect({rows}, "sample_weight");
      check_range(*weights, 0, std::numeric_limits<T>::max(), "sample_weight");
      data.weights = weights->data();
    }
  }
  Objective objective(const Network<T>& network, double l2) const {
    const std::string link = any_kernels<T>().losses[loss].link;
    const bool softmax = network.softmax_output();
    const std::string output =
        softmax ? "softmax" : any_kernels<T>().activations[network.layers.back().activation].name;
    if (data.targets == nullptr && data.labels == nullptr) value_error("y", "targets", "None");
    if (network.inputs() != inputs || network.outputs() != outputs)
      value_error("data", "data made for this network", "another network's");
    if (output != link && link != "identity")
      value_error("loss", "one that fits output '" + output + "'",
                  std::string("'") + any_kernels<T>().losses[loss].name + "', which needs output '" + link + "'");
    check_finite_scalar(l2, "l2");
    return {loss, output == link, l2};
  }
  DataMatrix x;
  int loss;
  int64 inputs = 0, outputs = 0;
  py::array_t<int64> labels;
  std::optional<Input<T>> targets, weights;
  Data<T> data;
};

}  // namespace nablas
