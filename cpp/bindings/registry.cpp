#include "bindings/registry.hpp"

#include <cmath>

namespace nablas {
namespace {

// As python/nablas/_registry.py says it.
std::string expected_of(const Hyperparameter& h) {
  if (h.flag) return "True or False";
  const bool above = h.lowest > 0;
  if (std::isinf(h.end)) return text("a finite number ", above ? "above" : "of at least", " 0");
  return text("a number ", above ? "above 0 and" : "from 0 to", " less than ", h.end);
}

}  // namespace

void read_hyperparameters(const char* owner, const Hyperparameter* known, const py::dict& values, double* out) {
  std::string choices;
  std::size_t found = 0;
  for (int i = 0; i < max_hyperparameters && known[i].name != nullptr; ++i) {
    const Hyperparameter& h = known[i];
    choices += (i > 0 ? ", " : "") + std::string(h.name);
    out[i] = h.default_value;
    if (!values.contains(h.name)) continue;
    ++found;
    const py::object given = values[h.name];
    out[i] = PyFloat_AsDouble(given.ptr());
    if (PyErr_Occurred() != nullptr) {
      PyErr_Clear();
      type_error(h.name, "a number", py::str(py::type::of(given).attr("__name__")));
    }
    if (!std::isfinite(out[i])) check_finite_scalar(out[i], h.name);
    if (h.flag ? out[i] != 0 && out[i] != 1 : out[i] < h.lowest || out[i] >= h.end)
      value_error(h.name, expected_of(h), std::string(py::str(given)));
  }
  if (found == values.size()) return;
  for (const auto& item : values) {
    bool is_known = false;
    for (int i = 0; i < max_hyperparameters && known[i].name != nullptr; ++i)
      is_known |= printable(item.first) == known[i].name;
    if (!is_known)
      throw py::type_error(std::string(owner) + ": expected " +
                           (choices.empty() ? "no hyperparameters" : "hyperparameters among " + choices) + ", got '" +
                           printable(item.first) + "'");
  }
}

}  // namespace nablas
