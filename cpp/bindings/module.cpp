// Contents of nablas._core.
#include <pybind11/pybind11.h>

#include <string>

#include "bindings/arrays.hpp"
#include "network/dispatch.hpp"

namespace nablas {

namespace py = pybind11;

void bind_system(py::module_&);
void bind_dense(py::module_&);
void bind_sparse(py::module_&);
void bind_elementwise(py::module_&);
void bind_losses(py::module_&);
void bind_optimizers(py::module_&);
void bind_random(py::module_&);
void bind_network(py::module_&);
void bind_trainer(py::module_&);

// Adds an overload that is tried last: a call with other arguments is told the signature, in the place of pybind11's
// list of C++ types. The function takes Python objects only, so no conversion is lost by the overload.
void explain_calls(py::module_& m, const std::string& name) {
  const py::object known = m.attr(name.c_str()).attr("__text_signature__");
  const std::string signature = known.is_none() ? "()" : known.cast<std::string>();
  m.def(name.c_str(), [name, signature](const py::args& args, const py::kwargs& kwargs) -> py::object {
    std::string got = std::to_string(args.size()) + " by position";
    for (const auto& item : kwargs) got += ", " + printable(item.first);
    throw py::type_error(name + ": expected the arguments " + signature + ", got " + got);
  });
}

}  // namespace nablas

PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  pybind11::options options;
  options.disable_function_signatures();  // the docstrings begin with their own signature
  module.doc() = "The C++ core of nablas.";
  nablas::bind_system(module);
  const nablas::py::object before = module.attr("__dict__").attr("copy")();
  nablas::bind_dense(module);
  nablas::bind_sparse(module);
  nablas::bind_elementwise(module);
  nablas::bind_losses(module);
  nablas::bind_optimizers(module);
  nablas::bind_random(module);
  nablas::py::list kernels;  // the public names of nablas.kernels
  for (const auto& item : nablas::py::dict(module.attr("__dict__")))
    if (!before.contains(item.first)) kernels.append(item.first);
  module.attr("kernels") = nablas::py::tuple(kernels);
  for (const auto& name : kernels) nablas::explain_calls(module, name.cast<std::string>());
  for (const char* name : {"num_threads", "set_num_threads", "isa", "available_isas"})
    nablas::explain_calls(module, name);
  nablas::py::module_::import("atexit").attr("register")(module.attr("end_sections"), 2.0);
  nablas::bind_network(module);
  nablas::bind_trainer(module);
}
