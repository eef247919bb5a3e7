// Losses with their deltas, and the optimizers' update.
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>

#include "base/buffer.hpp"
#include "bindings/arrays.hpp"
#include "bindings/registry.hpp"
#include "network/team_kernels.hpp"

namespace nablas {
namespace {

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
    LossArguments<T> arguments{z.matrix(), nullptr, nullptr, nullptr, values, nullptr, T(0)};
    py::array_t<int64> labels;
    std::optional<Input<T>> targets, weights;
    if (entry.takes_labels && target_array.ndim() == 1) {
      labels = label_array(target_array, rows, columns, "targets");
      arguments.labels = labels.data();
    } else {
      targets.emplace(target_array, "targets");
      targets->expect({rows, columns}, "targets");
      check_range(*targets, entry.lowest, entry.highest, "targets");
      arguments.targets = targets->data();
    }
    double total_weight = static_cast<double>(rows);
    if (!sample_weight.is_none()) {
      weights.emplace(sample_weight, "sample_weight");
      weights->expect({rows}, "sample_weight");
      check_range(*weights, 0, std::numeric_limits<T>::max(), "sample_weight");
      arguments.weights = weights->data();
      total_weight = 0;
      for (int64 i = 0; i < rows; ++i) total_weight += weights->data()[i];
    }
    Result<T> delta(out, {rows, columns}, "out", {}, {&z.array()});
    if (targets && overlap(targets->array(), delta.finish()))
      value_error("out", "memory apart from targets", "an overlap");
    const double share =
        (total_weight > 0 ? 1 / total_weight : 0) * (entry.mean_of_entries && columns > 0 ? 1.0 / columns : 1.0);
    arguments.delta = delta.data();
    arguments.delta_scale = static_cast<T>(share);
    Buffer<double> losses((rows + loss_rows - 1) / loss_rows);
    {
      py::gil_scoped_release release;
      parallel(threads_for(20.0 * z.size()), [&](const Team& team) {
        const Range own = team.share(rows, loss_rows);
        for (int64 i = own.begin; i < own.end; i += loss_rows)
          losses.data()[i / loss_rows] = entry.rows(arguments, {i, std::min(i + loss_rows, own.end)});
      });
    }
    double total = 0;
    for (int64 i = 0; i < (rows + loss_rows - 1) / loss_rows; ++i) total += losses.data()[i];
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

// Data of a flat array that is updated in place: (size,), contiguous, aligned, native byte order, writeable.
template <class T>
T* in_place(const py::array& array, int64 size, const char* name) {
  if (float_type(array, name) != float_of<T>)
    type_error(name, std::string(float_name(float_of<T>)) + " like parameters", py::str(array.dtype()));
  check_shape(array, {size}, name);
  if (!py::array_t<T, py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_>::check_(array))
    value_error(name, "a contiguous array (it is updated in place)", "a strided one");
  if (!array.writeable()) value_error(name, "a writeable array (it is updated in place)", "a read-only one");
  return static_cast<T*>(const_cast<void*>(array.data()));
}

void optimizer_update(const std::string& optimizer, const py::array& parameters, py::handle gradient_object,
                      const std::vector<py::array>& states, int64 step, double learning_rate, double l2,
                      const py::kwargs& hyperparameters) {
  const int rule = optimizer_index(optimizer);
  if (step < 1) value_error("step", "1 or more", std::to_string(step));
  check_finite_scalar(learning_rate, "learning_rate");
  check_finite_scalar(l2, "l2");
  check_dimensions(parameters, 1, "parameters");
  const int64 size = parameters.shape(0);
  visit_float(float_type(parameters, "parameters"), [&](auto scalar) {
    using T = decltype(scalar);
    const OptimizerEntry<T>& entry = kernels<T>().optimizers[rule];
    double values[max_hyperparameters] = {};
    read_hyperparameters(entry, hyperparameters, values);
    UpdateArguments<T> arguments{
        in_place<T>(parameters, size, "parameters"), {}, {values, learning_rate, step, 1, {}}, static_cast<T>(l2)};
    const Input<T> gradient = Input<T>(gradient_object, "gradient").expect({size}, "gradient");
    std::size_t count = 0;
    while (count < max_optimizer_states && entry.states[count] != nullptr) ++count;
    const std::size_t given = count + (entry.scalar != nullptr ? 1 : 0);
    if (states.size() != given)
      value_error("states", std::to_string(given) + " arrays for " + optimizer, std::to_string(states.size()));
    for (std::size_t i = 0; i < count; ++i) {
      arguments.states[i] = in_place<T>(states[i], size, entry.states[i]);
      if (overlap(states[i], parameters)) value_error("states", "memory apart from parameters", "an overlap");
    }
    double* const scalar_state = entry.scalar != nullptr ? in_place<double>(states[count], 1, entry.scalar) : nullptr;
    if (scalar_state != nullptr) arguments.step.scalar = *scalar_state;
    entry.begin_step(arguments.step);
    if (scalar_state != nullptr) *scalar_state = arguments.step.scalar;
    py::gil_scoped_release release;
    parallel(threads_for(static_cast<double>(size)), [&](const Team& team) {
      const Range own = team.share(size, element_grain);
      const int64 count = own.end - own.begin;
      entry.update(arguments, {own.begin, 1, count, count, gradient.data() + own.begin, count});
    });
  });
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
    For other dtypes or unknown hyperparameters.)";
    m.def(
        entry.function,
        [i](py::handle z, py::handle targets, py::handle weight, py::handle out, const py::kwargs& hyperparameters) {
          return loss_and_delta(i, z, targets, weight, out, hyperparameters);
        },
        py::arg("z"), py::arg("targets"), py::kw_only(), py::arg("sample_weight") = py::none(),
        py::arg("out") = py::none(), doc.c_str());
  }
  m.def("optimizer_update", &optimizer_update, py::arg("optimizer"), py::arg("parameters"), py::arg("gradient"),
        py::arg("states"), py::kw_only(), py::arg("step"), py::arg("learning_rate"), py::arg("l2") = 0.0,
        R"(optimizer_update(optimizer, parameters, gradient, states, *, step, learning_rate, l2=0.0, **hyperparameters)
--

One update of flat parameters, in place and in one pass.

Parameters
----------
optimizer : str
    A name of ``nablas.optimizers.names()``.
parameters : array of shape (n,)
    Updated in place. An entry whose update would not be finite keeps its value.
gradient : array of shape (n,)
states : sequence of arrays of shape (n,)
    Updated in place; zeros before the first update. A scalar state (``nadam``'s) is an array of shape (1,), float64
    and 1 before the first update.
step : int
    1 for the first update.
learning_rate : float
l2 : float
    Adds ``2 l2 w`` to the gradient.
**hyperparameters : float
    By name, as in PyTorch (``rho`` is RMSprop's alpha); omitted ones take their defaults.

Raises
------
ValueError, TypeError
    For shapes or dtypes that do not match, unknown names, values out of bounds, or arrays that cannot be updated in
    place.)");
}

}  // namespace nablas
