// The optimizers' update.
#include <pybind11/stl.h>

#include <algorithm>
#include <limits>

#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "bindings/registry.hpp"
#include "network/team_kernels.hpp"

namespace nablas {
namespace {

// Data of a flat array that is updated in place: (size,), contiguous, aligned, native byte order, writeable.
template <class T>
T* in_place(const py::array& array, int64 size, const char* name, const char* why = " like parameters") {
  if (float_type(array, name) != float_of<T>)
    type_error(name, std::string(float_name(float_of<T>)) + why, py::str(array.dtype()));
  check_shape(array, {size}, name);
  if (!py::array_t<T, py::array::c_style>::check_(array))
    value_error(name, "a contiguous array (it is updated in place)", "a strided one");
  if (!is_plain(array)) value_error(name, "an aligned array (it is updated in place)", "a misaligned one");
  if (!array.writeable()) value_error(name, "a writeable array (it is updated in place)", "a read-only one");
  return static_cast<T*>(const_cast<void*>(array.data()));
}

std::vector<py::array> state_arrays(py::handle states) {
  if (!PySequence_Check(states.ptr()) || py::isinstance<py::array>(states) || PyUnicode_Check(states.ptr()))
    type_error("states", "a sequence of arrays", type_name(states));
  std::vector<py::array> out;
  for (const py::handle state : py::reinterpret_borrow<py::sequence>(states)) {
    if (!py::isinstance<py::array>(state)) type_error("states", "a sequence of arrays", type_name(state) + " in it");
    out.push_back(as_array(state, "states"));
  }
  return out;
}

void optimizer_update(py::handle optimizer_object, py::handle parameters_object, py::handle gradient_object,
                      py::handle states_object, py::handle step_object, py::handle rate_object, py::handle l1_object,
                      py::handle l2_object, const py::kwargs& hyperparameters) {
  const std::string optimizer = name_argument(optimizer_object, "optimizer");
  const int rule = optimizer_index(optimizer);
  if (!py::isinstance<py::array>(parameters_object))
    type_error("parameters", "an array (it is updated in place)", type_name(parameters_object));
  const py::array parameters = as_array(parameters_object, "parameters");
  const std::vector<py::array> states = state_arrays(states_object);
  const auto step = static_cast<int64>(integer_argument(step_object, "step", 1, std::numeric_limits<int64>::max()));
  const double learning_rate = number_argument(rate_object, "learning_rate");
  const double l1 = number_argument(l1_object, "l1"), l2 = number_argument(l2_object, "l2");
  check_finite_scalar(learning_rate, "learning_rate");
  check_finite_scalar(l1, "l1");
  if (l1 < 0) value_error("l1", "0 or more", std::to_string(l1));
  check_finite_scalar(l2, "l2");
  check_dimensions(parameters, 1, "parameters");
  const int64 size = parameters.shape(0);
  visit_float(float_type(parameters, "parameters"), [&](auto scalar) {
    using T = decltype(scalar);
    const OptimizerEntry<T>& entry = kernels<T>().optimizers[rule];
    double values[max_hyperparameters] = {};
    read_hyperparameters(entry, hyperparameters, values);
    check_held_by<T>(l1, "l1");
    check_held_by<T>(l2, "l2", 2);
    check_held_by<T>(learning_rate, "learning_rate");
    UpdateArguments<T> arguments{in_place<T>(parameters, size, "parameters"),
                                 {},
                                 {values, learning_rate, step, 1, {}},
                                 static_cast<T>(l2),
                                 static_cast<T>(l1)};
    Input<T> gradient = Input<T>(gradient_object, "gradient").expect({size}, "gradient");
    bool shares_memory = overlap(gradient.array(), parameters);
    std::size_t count = 0;
    while (count < max_optimizer_states && entry.states[count] != nullptr) ++count;
    const std::size_t given = count + (entry.scalar != nullptr ? 1 : 0);
    if (states.size() != given)
      value_error("states", std::to_string(given) + " arrays for " + optimizer, std::to_string(states.size()));
    const auto in_states = [](const char* name) { return std::string("states, ") + name; };
    for (std::size_t i = 0; i < count; ++i) {
      arguments.states[i] = in_place<T>(states[i], size, in_states(entry.states[i]).c_str());
    }
    double* const scalar_state =
        entry.scalar != nullptr ? in_place<double>(states[count], 1, in_states(entry.scalar).c_str(), "") : nullptr;
    for (std::size_t i = 0; i < given; ++i) {
      if (overlap(states[i], parameters)) value_error("states", "memory apart from parameters", "an overlap");
      for (std::size_t j = 0; j < i; ++j)
        if (overlap(states[i], states[j])) value_error("states", "memory apart from each other", "an overlap");
      shares_memory |= overlap(states[i], gradient.array());
    }
    if (shares_memory) gradient.keep_copy();
    if (scalar_state != nullptr) arguments.step.scalar = *scalar_state;
    entry.begin_step(arguments.step);
    if (scalar_state != nullptr) *scalar_state = arguments.step.scalar;
    const GilReleased release;
    parallel(threads_for_call(static_cast<double>(size)), [&](const Team& team) {
      const Range own = team.share(size, element_grain);
      const int64 count = own.end - own.begin;
      entry.update(arguments, {own.begin, 1, count, count, gradient.data() + own.begin, count});
    });
  });
}

}  // namespace

void bind_optimizers(py::module_& m) {
  m.def(
      "optimizer_update", &optimizer_update, py::arg("optimizer"), py::arg("parameters"), py::arg("gradient"),
      py::arg("states"), py::kw_only(), py::arg("step"), py::arg("learning_rate"), py::arg("l1") = 0.0,
      py::arg("l2") = 0.0,
      R"(optimizer_update(optimizer, parameters, gradient, states, *, step, learning_rate, l1=0.0, l2=0.0, **hyperparameters)
--

One update of flat parameters, in place and in one pass.

Parameters
----------
optimizer : str
    A name of ``nablas.optimizers.names()``.
parameters : array of shape (n,)
    Updated in place. An entry whose update would not be finite keeps its value.
gradient : array of shape (n,)
    Read before anything is updated, where it shares memory with the other arrays.
states : sequence of arrays of shape (n,)
    Updated in place; zeros before the first update. They share no memory with `parameters` or each other. A scalar
    state (``nadam``'s) is an array of shape (1,), float64 and 1 before the first update.
step : int
    1 for the first update.
learning_rate : float
l1 : float
    Not negative. Ends with a proximal step of ``l1 |w|``: w moves towards zero by the change that a constant gradient
    `l1` would have made at this step, and stops at zero. Rules that divide by the size of the gradient divide by at
    least `l1`.
l2 : float
    Adds ``2 l2 w`` to the gradient.
**hyperparameters : float
    By name, as in PyTorch (``rho`` is RMSprop's alpha); omitted ones take their defaults.

Raises
------
ValueError, TypeError
    For shapes or dtypes that do not match, unknown names, values out of bounds, or arrays that cannot be updated in
    place.

Examples
--------
>>> w, g = np.array([1.0, 2.0]), np.array([1.0, 1.0])
>>> states = nb.optimizers.initial_states("sgd", w)
>>> nb.kernels.optimizer_update("sgd", w, g, states, step=1, learning_rate=0.1)
>>> w
array([0.9, 1.9]))");
}

}  // namespace nablas
