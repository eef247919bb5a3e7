// Threads, instruction sets and the registries' contents.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "base/parallel.hpp"
#include "bindings/arrays.hpp"
#include "bindings/registry.hpp"
#include "network/network.hpp"

namespace nablas {
namespace {

py::dict activation_registry() {
  py::dict out;
  const auto& table = any_kernels<float>();
  for (int i = 0; i < table.activation_count; ++i)
    out[table.activations[i].name] = table.activations[i].slope_needs_preactivation ? "preactivation" : "output";
  return out;
}

py::dict loss_registry() {
  py::dict out;
  const auto& table = any_kernels<float>();
  for (int i = 0; i < table.loss_count; ++i) out[table.losses[i].name] = table.losses[i].link;
  return out;
}

py::dict optimizer_registry() {
  py::dict out;
  const auto& table = any_kernels<float>();
  for (int i = 0; i < table.optimizer_count; ++i) {
    py::dict hyperparameters;
    py::list states;
    for (const Hyperparameter& h : table.optimizers[i].hyperparameters)
      if (h.name != nullptr) hyperparameters[h.name] = h.standard;
    for (const char* state : table.optimizers[i].states)
      if (state != nullptr) states.append(state);
    out[table.optimizers[i].name] = py::make_tuple(hyperparameters, py::tuple(states));
  }
  return out;
}

// Of some short runs on all threads at once, the fastest.
template <class T>
double peak_gflops() {
  constexpr int runs = 9;
  constexpr int64 count = 100'000'000;
  double best = 0;
  for (int run = 0; run < runs; ++run) {
    std::vector<double> seconds(num_threads()), done(seconds.size());
    parallel(static_cast<int>(seconds.size()), [&](const Team& team) {
      T sink = T(0.5);
      team.barrier();
      const auto start = std::chrono::steady_clock::now();
      done[team.rank] = kernels<T>().multiply_adds(count, &sink);
      seconds[team.rank] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    });
    const double flops = 2 * std::accumulate(done.begin(), done.end(), 0.0);
    best = std::max(best, 1e-9 * flops / *std::max_element(seconds.begin(), seconds.end()));
  }
  return best;
}

}  // namespace

void read_hyperparameters(int rule, const py::dict& values, double* out) {
  const auto& entry = any_kernels<float>().optimizers[rule];
  std::size_t known = 0;
  std::string choices;
  for (int i = 0; i < max_hyperparameters && entry.hyperparameters[i].name != nullptr; ++i) {
    const Hyperparameter& h = entry.hyperparameters[i];
    choices += (i > 0 ? ", " : "") + std::string(h.name);
    out[i] = h.standard;
    if (!values.contains(h.name)) continue;
    ++known;
    out[i] = values[h.name].cast<double>();
    check_finite_scalar(out[i], h.name);
  }
  if (known == values.size()) return;
  for (const auto& item : values) {
    bool found = false;
    for (const Hyperparameter& h : entry.hyperparameters)
      found |= h.name != nullptr && item.first.cast<std::string>() == h.name;
    if (!found)
      throw py::type_error(std::string(entry.name) + ": expected hyperparameters among " + choices + ", got '" +
                           item.first.cast<std::string>() + "'");
  }
}

void bind_system(py::module_& m) {
  m.def("num_threads", &num_threads,
        R"(num_threads()
--

Threads that a large piece of work would use now.

By default the processors this process may use (affinity and cgroup quota), or ``OMP_NUM_THREADS``;
``set_num_threads`` and ``threadpoolctl.threadpool_limits`` change it. 1 in a forked child.)");
  m.def(
      "set_num_threads",
      [](py::object count) {
        if (!PyIndex_Check(count.ptr()))
          type_error("count", "an integer", py::str(py::type::of(count).attr("__name__")));
        const long value = count.cast<long>();
        if (value < 1 || value > 4096) value_error("count", "an integer from 1 to 4096", std::to_string(value));
        set_num_threads(static_cast<int>(value));
      },
      py::arg("count"),
      R"(set_num_threads(count)
--

Use `count` threads from now on, in every Python thread. Results do not depend on it.

Parameters
----------
count : int
    From 1 to 4096. A limit set later through OpenMP (``threadpool_limits``) still applies.)");
  m.def(
      "set_own_threads",
      [](int count) {
        if (count < 0 || count > 4096) value_error("n_threads", "an integer from 1 to 4096", std::to_string(count));
        return set_own_threads(count);
      },
      py::arg("count"),
      "Use `count` threads in calls from this Python thread alone, 0 for no choice of its own; returns the one "
      "before.");
  m.def(
      "isa", [] { return kernels<float>().instruction_set; },
      R"(isa()
--

Name of the instruction set whose kernels are in use, such as ``"x86_64_v4"``.

Raises
------
RuntimeError
    When the environment variable ``NABLAS_ISA`` names one that this build or processor lacks.)");
  m.def("available_isas", &available_instruction_sets,
        "Instruction sets that this build has and this processor runs, simplest first.");
  m.def("use_isa", &use_instruction_set, py::arg("name"),
        "Switch the kernels at run time; for tests and measurements.");
  m.def(
      "tile_shape",
      [](bool full) {
        return full ? py::make_tuple(kernels<double>().tile_rows, kernels<double>().tile_columns)
                    : py::make_tuple(kernels<float>().tile_rows, kernels<float>().tile_columns);
      },
      py::arg("float64"),
      "Rows and columns of the matrix product's register tile; shapes around it exercise every edge.");
  m.def(
      "peak_gflops",
      [](bool full) {
        py::gil_scoped_release release;
        return full ? peak_gflops<double>() : peak_gflops<float>();
      },
      py::arg("float64") = false,
      "Floating-point operations a nanosecond that the threads in use can do at most: multiply-adds in registers.");
  m.def("activations", &activation_registry,
        "Activation names, and whether the slope is a function of the 'output' or the 'preactivation'.");
  m.def("losses", &loss_registry, "Loss names, each with the output activation it is linked to.");
  m.def("optimizers", &optimizer_registry,
        "Optimizer names, each with its hyperparameters' defaults and the names of its states.");
  m.def("initialisations", &initialisations, "Names of the weight initialisations.");
#ifdef _OPENMP
  m.attr("has_openmp") = true;
#else
  m.attr("has_openmp") = false;
#endif
}

}  // namespace nablas
