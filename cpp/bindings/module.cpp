// Contents of nablas._core.
#include <pybind11/pybind11.h>

#include "network/dispatch.hpp"

namespace nablas {

namespace py = pybind11;

void bind_system(py::module_&);
void bind_dense(py::module_&);
void bind_elementwise(py::module_&);
void bind_losses(py::module_&);
void bind_random(py::module_&);
void bind_network(py::module_&);
void bind_trainer(py::module_&);

}  // namespace nablas

PYBIND11_MODULE(_core, module) {
  pybind11::options options;
  options.disable_function_signatures();  // the docstrings begin with their own
  module.doc() = "The C++ core of nablas.";
  nablas::bind_system(module);
  nablas::bind_dense(module);
  nablas::bind_elementwise(module);
  nablas::bind_losses(module);
  nablas::bind_random(module);
  nablas::bind_network(module);
  nablas::bind_trainer(module);
}
