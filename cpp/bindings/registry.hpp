// Finds entries of the kernels' registries by their Python names.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "bindings/arrays.hpp"
#include "kernels/table.hpp"
#include "network/dispatch.hpp"

namespace nablas {

namespace py = pybind11;

// Index of `name` among `count` entries; else ValueError, which lists the choices and `also`.
template <class Entry>
int entry_index(const Entry* entries, int count, const std::string& name, const char* argument,
                const char* also = nullptr) {
  for (int i = 0; i < count; ++i)
    if (name == entries[i].name) return i;
  std::string choices;
  for (int i = 0; i < count; ++i) choices += (i > 0 ? ", " : "") + std::string(entries[i].name);
  if (also != nullptr) choices += ", " + std::string(also);
  throw py::value_error(std::string(argument) + ": expected one of " + choices + ", got '" + name + "'");
}

inline int activation_index(py::handle name) {
  const auto& table = any_kernels<float>();
  return entry_index(table.activations, table.activation_count, name_argument(name, "activation"), "activation");
}
inline int loss_index(const std::string& name) {
  const auto& table = any_kernels<float>();
  return entry_index(table.losses, table.loss_count, name, "loss");
}
inline int optimizer_index(const std::string& name) {
  const auto& table = any_kernels<float>();
  return entry_index(table.optimizers, table.optimizer_count, name, "optimizer");
}

// out (max_hyperparameters,): the hyperparameters of a loss or an optimizer, from a dict of names to numbers, or their
// defaults. TypeError for unknown names and for values that are not numbers, ValueError for values out of bounds, also
// of those of T: a rate of 1e39 is infinite in float32.
void read_hyperparameters(const char* owner, const Hyperparameter* known, const py::dict& values, double* out);
template <template <class> class Entry, class T>
void read_hyperparameters(const Entry<T>& entry, const py::dict& values, double* out) {
  read_hyperparameters(entry.name, entry.hyperparameters, values, out);
  for (int i = 0; i < max_hyperparameters && entry.hyperparameters[i].name != nullptr; ++i) {
    const Hyperparameter& h = entry.hyperparameters[i];
    check_held_by<T>(out[i], h.name);
    if (h.lowest > 0 && static_cast<T>(out[i]) == 0)
      value_error(h.name, std::string("a number above 0 in ") + float_name(float_of<T>), py::str(py::float_(out[i])));
    if (static_cast<double>(static_cast<T>(out[i])) >= h.end)
      value_error(h.name, text("a number less than ", h.end, " in ", float_name(float_of<T>)),
                  py::str(py::float_(out[i])));
  }
}

}  // namespace nablas
