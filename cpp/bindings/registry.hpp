// Names from Python to entries of the kernels' registries.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "kernels/table.hpp"
#include "network/dispatch.hpp"

namespace nablas {

namespace py = pybind11;

// Index of `name` among `count` entries, or ValueError naming the choices.
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

inline int activation_index(const std::string& name, const char* argument = "activation") {
  const auto& table = any_kernels<float>();
  return entry_index(table.activations, table.activation_count, name, argument);
}
inline int loss_index(const std::string& name) {
  const auto& table = any_kernels<float>();
  return entry_index(table.losses, table.loss_count, name, "loss");
}
inline int optimizer_index(const std::string& name) {
  const auto& table = any_kernels<float>();
  return entry_index(table.optimizers, table.optimizer_count, name, "optimizer");
}

// The hyperparameters a rule knows, from a dict of names to numbers; unknown names are refused.
void read_hyperparameters(int rule, const py::dict& values, double* out);

}  // namespace nablas
