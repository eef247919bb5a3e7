// Losses with their deltas.
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>

#include "base/buffer.hpp"
#include "base/long_sum.hpp"
#include "bindings/arrays.hpp"
#include "bindings/registry.hpp"
#include "bindings/slices.hpp"
#include "network/team_kernels.hpp"

namespace nablas {
namespace {

// Targets and weights of some samples, checked, with the arrays that hold them.
template <class T>
struct LossInputs {
  LossInputs(const LossEntry<T>& entry, const Input<T>& z, const py::array& given, py::handle sample_weight)
      : total_weight(static_cast<double>(z.rows())) {
    const int64 rows = z.rows(), columns = z.columns();
    if (entry.takes_labels && given.ndim() == 1) {
      labels.emplace(label_array(given, rows, columns, "targets"));
    } else {
      targets.emplace(given, "targets");
      targets->expect({rows, columns}, "targets");
      check_range(*targets, entry.lowest, entry.highest, "targets");
    }
    if (sample_weight.is_none()) return;
    weights.emplace(sample_weight, "sample_weight");
    weights->expect({rows}, "sample_weight");
    check_range(*weights, 0, std::numeric_limits<T>::max(), "sample_weight");
    total_weight = nablas::total_weight(weights->data(), rows, "sample_weight");
  }
  std::optional<py::array_t<int64>> labels;
  std::optional<Input<T>> targets, weights;
  double total_weight;
};

py::tuple loss_and_delta(int index, py::handle z_object, py::handle targets_object, py::handle sample_weight,
                         py::handle out, const py::dict& hyperparameters) {
  const py::array z_array = as_array(z_object, "z"), target_array = as_array(targets_object, "targets");
  return visit_float(float_type(z_array, "z"), [&](auto scalar) -> py::tuple {
    using T = decltype(scalar);
    const LossEntry<T>& entry = kernels<T>().losses[index];
    double values[max_hyperparameters] = {};
    read_hyperparameters(entry, hyperparameters, values);
    const Input<T> z(z_array, "z");
    check_dimensions(z.array(), 2, "z");
    const int64 rows = z.rows(), columns = z.columns();
    const LossInputs<T> samples(entry, z, target_array, sample_weight);
    Result<T> delta(out, {rows, columns}, "out",
                    {samples.targets ? &samples.targets->array() : nullptr, samples.labels ? &*samples.labels : nullptr,
                     samples.weights ? &samples.weights->array() : nullptr},
                    {&z.array()});
    const double share = (samples.total_weight > 0 ? 1 / samples.total_weight : 0) *
                         (entry.mean_of_entries && columns > 0 ? 1.0 / columns : 1.0);
    const LossArguments<T> arguments{z.matrix(),
                                     samples.targets ? samples.targets->data() : nullptr,
                                     samples.labels ? samples.labels->data() : nullptr,
                                     samples.weights ? samples.weights->data() : nullptr,
                                     values,
                                     delta.data(),
                                     columns,
                                     static_cast<T>(share)};
    Buffer<double> losses((rows + loss_rows - 1) / loss_rows);
    losses.fill_zero();
    in_parts(rows, rows_of_part(columns), [&](Range part) {
      const int64 length = part.end - part.begin;
      const GilReleased release;
      parallel(threads_for_call(20.0 * static_cast<double>(length) * columns), [&](const Team& team) {
        const Range own = team.share(length, loss_rows);
        const Range taken{part.begin + own.begin, part.begin + own.end};
        entry.rows(arguments, taken, losses.data() + taken.begin / loss_rows);
        if (arguments.weights != nullptr) clear_unweighted(arguments.weights, taken, delta.data(), columns);
      });
    });
    const double total = long_sum(losses.data(), (rows + loss_rows - 1) / loss_rows, loss_rows);
    return py::make_tuple(total * share, delta.finish());
  });
}

std::string number_text(double value) { return py::repr(py::float_(value)).cast<std::string>(); }

std::string bounds_text(const Hyperparameter& h) {
  if (h.lowest == 0) return "From 0 to less than " + number_text(h.end) + ".";
  return std::isinf(h.end) ? "Above 0." : "Above 0, less than " + number_text(h.end) + ".";
}

std::string target_text(const LossEntry<float>& entry) {
  if (entry.highest <= 1) return "From 0 to 1.";
  return entry.lowest == 0 ? "Not negative." : "Finite.";
}

}  // namespace

void bind_losses(py::module_& m) {
  const auto& table = any_kernels<float>();
  for (int i = 0; i < table.loss_count; ++i) {
    const LossEntry<float>& entry = table.losses[i];
    std::string signature = std::string(entry.function) + "(z, targets, *, sample_weight=None, out=None";
    std::string parameters;
    for (int h = 0; h < max_hyperparameters && entry.hyperparameters[h].name != nullptr; ++h) {
      const Hyperparameter& given = entry.hyperparameters[h];
      signature += ", " + std::string(given.name) + "=" + number_text(given.default_value);
      parameters += std::string(given.name) + " : float\n    " + bounds_text(given) + "\n";
    }
    const std::string doc =
        signature + ")\n--\n\nThe loss ``" + entry.name + "``, ``" + entry.formula +
        R"(``, and its derivative with respect to z, in one pass.

Parameters
----------
z : array of shape (n, outputs)
    The output layer's preactivation; float32 or float64.
)" +
        (entry.takes_labels ? "targets : int array of shape (n,), or array of shape (n, outputs)\n    "
                              "Class indices, or a distribution for each sample."
                            : "targets : array of shape (n, outputs)\n    " + target_text(entry)) +
        R"(
sample_weight : array of shape (n,), optional
    Not negative; the loss is the weighted mean over the samples.
out : array of shape (n, outputs), optional
    Receives delta; may be `z` itself.
)" + parameters +
        R"(
Returns
-------
loss : float
    Averaged over the samples, )" +
        (entry.mean_of_entries ? "averaged" : "summed") + R"( over the outputs.
delta : array of shape (n, outputs)
    The derivative of `loss` with respect to z.

Raises
------
ValueError
    For shapes that do not match, targets out of range (names the first), or hyperparameters out of bounds.
TypeError
    For other dtypes or unknown hyperparameters.

Examples
--------
>>> z, targets = np.array([[0.5, -0.5]]), np.array([[0.0, 1.0]])
>>> loss, delta = nb.kernels.)" +
        entry.function + R"((z, targets)
>>> nb.kernels.)" +
        entry.function + R"((z - 0.1 * delta, targets)[0] < loss  # a step down
True)";
    m.def(
        entry.function,
        [i](py::handle z, py::handle targets, py::handle weight, py::handle out, const py::kwargs& hyperparameters) {
          return loss_and_delta(i, z, targets, weight, out, hyperparameters);
        },
        py::arg("z"), py::arg("targets"), py::kw_only(), py::arg("sample_weight") = py::none(),
        py::arg("out") = py::none(), doc.c_str());
  }
}

}  // namespace nablas
