// Losses with their deltas, and the optimizers' update.
#include <pybind11/stl.h>

#include <algorithm>

#include "base/buffer.hpp"
#include "bindings/arrays.hpp"
#include "bindings/registry.hpp"
#include "network/team_kernels.hpp"

namespace nablas {
namespace {

// Kernel functions are named for the output they start from.
std::string function_name(const std::string& loss) {
  if (loss == "cross_entropy") return "softmax_cross_entropy";
  if (loss == "binary_cross_entropy") return "sigmoid_binary_cross_entropy";
  return loss;
}

py::tuple loss_and_delta(int index, py::handle z_object, py::handle targets_object, py::handle sample_weight,
                         py::handle out) {
  const py::array z_array = as_array(z_object, "z"), target_array = as_array(targets_object, "targets");
  return visit_float(float_type(z_array, "z"), [&](auto scalar) -> py::tuple {
    using T = decltype(scalar);
    const LossEntry<T>& entry = kernels<T>().losses[index];
    const Input<T> z(z_array, "z");
    check_dimensions(z.array(), 2, "z");
    const int64 rows = z.rows(), columns = z.columns();
    LossArguments<T> arguments{z.matrix(), nullptr, nullptr, nullptr, nullptr, T(0)};
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

// A flat array that is updated where it stands: contiguous, aligned, native, writeable.
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
    UpdateArguments<T> arguments{
        in_place<T>(parameters, size, "parameters"), {}, {}, learning_rate, {}, static_cast<T>(l2)};
    const Input<T> gradient = Input<T>(gradient_object, "gradient").expect({size}, "gradient");
    std::size_t count = 0;
    while (count < max_optimizer_states && entry.states[count] != nullptr) ++count;
    if (states.size() != count)
      value_error("states", std::to_string(count) + " arrays for " + optimizer, std::to_string(states.size()));
    for (std::size_t i = 0; i < count; ++i) {
      arguments.states[i] = in_place<T>(states[i], size, entry.states[i]);
      if (overlap(states[i], parameters)) value_error("states", "memory apart from parameters", "an overlap");
    }
    read_hyperparameters(rule, hyperparameters, arguments.hyperparameters);
    set_step(entry, arguments, step);
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
    const std::string name = function_name(table.losses[i].name);
    std::string doc =
        name + "(z, targets, *, sample_weight=None, out=None)\n--\n\nThe loss ``" + table.losses[i].name +
        "`` of outputs ``" +
        (std::string(table.losses[i].link) == "identity" ? "z" : std::string(table.losses[i].link) + "(z)") +
        R"(`` and its derivative by z, in one pass.

Parameters
----------
z : array of shape (n, outputs)
    The output layer's preactivation; float32 or float64.
)";
    doc += table.losses[i].takes_labels ? "targets : int array of shape (n,), or array of shape (n, outputs)\n    "
                                          "Classes, or a distribution for each sample."
                                        : "targets : array of shape (n, outputs)";
    doc += R"(
sample_weight : array of shape (n,), optional
    Not negative; the loss is the weighted mean over the samples.
out : array of shape (n, outputs), optional
    Receives delta; may be `z` itself.

Returns
-------
loss : float
)";
    doc += table.losses[i].mean_of_entries ? "    Averaged over samples and outputs.\n"
                                           : "    Averaged over samples, summed over outputs.\n";
    doc += R"(delta : array of shape (n, outputs)

Raises
------
ValueError
    For targets out of range; names the first.)";
    m.def(
        name.c_str(),
        [i](py::handle z, py::handle targets, py::handle weight, py::handle out) {
          return loss_and_delta(i, z, targets, weight, out);
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
    sgd, adam, adamw, rmsprop or adagrad; ``nablas.optimizers()`` lists hyperparameters and states.
parameters : array of shape (n,)
    Updated in place. An entry whose update would not be finite keeps its value.
gradient : array of shape (n,)
states : sequence of arrays of shape (n,)
    Updated in place; zeros before the first update.
step : int
    1 for the first update.
learning_rate : float
l2 : float
    Adds ``2 l2 w`` to the gradient.
**hyperparameters : float
    By name, as in PyTorch (``rho`` is RMSprop's alpha).

Raises
------
ValueError, TypeError
    For shapes, dtypes, names or arrays that cannot be written in place.)");
}

}  // namespace nablas
