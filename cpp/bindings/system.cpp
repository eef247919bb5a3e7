// Threads, instruction sets and the registries' contents.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/parallel.hpp"
#include "base/sleep.hpp"
#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "bindings/registry.hpp"
#include "network/pass.hpp"

namespace nablas {
namespace {

py::dict hyperparameters_of(const Hyperparameter* known) {
  py::dict out;
  for (int i = 0; i < max_hyperparameters && known[i].name != nullptr; ++i)
    out[known[i].name] = py::make_tuple(known[i].default_value, known[i].lowest, known[i].end, known[i].flag);
  return out;
}

// The contents of the kernels' registries; python/nablas/_registry.py converts them to typed entries.
py::dict registry() {
  const auto& table = any_kernels<float>();
  py::dict activations, losses, optimizers;
  for (int i = 0; i < table.activation_count; ++i) {
    const auto& entry = table.activations[i];
    activations[entry.name] = py::make_tuple(entry.slope_needs_preactivation ? "preactivation" : "output",
                                             entry.formula, entry.initialization);
  }
  for (int i = 0; i < table.loss_count; ++i) {
    const auto& entry = table.losses[i];
    losses[entry.name] =
        py::make_tuple(entry.link, entry.function, entry.formula, entry.mean_of_entries, entry.takes_labels,
                       entry.lowest, entry.highest, hyperparameters_of(entry.hyperparameters));
  }
  for (int i = 0; i < table.optimizer_count; ++i) {
    const auto& entry = table.optimizers[i];
    py::list states;
    for (const char* state : entry.states)
      if (state != nullptr) states.append(state);
    optimizers[entry.name] =
        py::make_tuple(entry.formula, hyperparameters_of(entry.hyperparameters), py::tuple(states), entry.scalar);
  }
  py::list unary;
  for (int i = 0; i < table.unary_count; ++i) unary.append(table.unary[i].name);
  py::dict out;
  out["activations"] = activations;
  out["losses"] = losses;
  out["optimizers"] = optimizers;
  out["initializations"] = initializations();
  out["unary"] = py::tuple(unary);
  return out;
}

// Sizes at which the core changes its method, with the kernels in use.
template <class T>
py::dict thresholds() {
  py::dict out;
  for (int i = 0; i < kernels<T>().threshold_count; ++i)
    out[kernels<T>().thresholds[i].name] = kernels<T>().thresholds[i].value;
  out["element_grain"] = element_grain;
  out["part_columns"] = part_columns;
  out["operations_by_layers"] = operations_by_layers;
  out["operations_per_wake_up"] = operations_per_wake_up;
  out["operations_per_region"] = operations_per_region;
  out["operations_per_phase"] = operations_per_phase;
  return out;
}

// GFLOP/s of the fastest of several short runs on all threads at once.
template <class T>
double peak_gflops() {
  using Clock = std::chrono::steady_clock;
  constexpr int runs = 9;
  constexpr int64 count = 100'000'000;
  double best = 0;
  for (int run = 0; run < runs; ++run) {
    const int threads = num_threads();
    std::vector<double> done(threads);
    std::vector<Clock::time_point> begin(threads), end(threads);
    parallel(threads, [&](const Team& team) {
      T sink = T(0.5);
      begin[team.rank] = Clock::now();
      done[team.rank] = kernels<T>().multiply_adds(count, &sink);
      end[team.rank] = Clock::now();
    });
    const double flops = 2 * std::accumulate(done.begin(), done.end(), 0.0);
    // Fewer threads than asked for may have run; rank 0 always has.
    Clock::time_point first = begin[0], last = end[0];
    for (int rank = 1; rank < threads; ++rank)
      if (done[rank] > 0) first = std::min(first, begin[rank]), last = std::max(last, end[rank]);
    const std::chrono::duration<double> seconds = last - first;
    best = std::max(best, 1e-9 * flops / seconds.count());
  }
  return best;
}

}  // namespace

void bind_system(py::module_& m) {
  m.def("num_threads", &num_threads,
        R"(num_threads()
--

Number of threads that a large call would use now.

By default the processors this process may use (affinity and cgroup quota), or ``OMP_NUM_THREADS``;
``set_num_threads`` and ``threadpoolctl.threadpool_limits`` change it. 1 in a forked child.

Examples
--------
>>> nb.num_threads() >= 1
True)");
  m.def(
      "set_num_threads",
      [](py::object count) { set_num_threads(static_cast<int>(integer_argument(count, "count", 1, 4096))); },
      py::arg("count"),
      R"(set_num_threads(count)
--

Use `count` threads from now on, in every Python thread. Results do not depend on it.

Parameters
----------
count : int
    From 1 to 4096; at most twice the processors this process may use are taken. A limit set later
    through OpenMP (``threadpool_limits``) still applies.

Examples
--------
>>> before = nb.num_threads()
>>> nb.set_num_threads(1)
>>> nb.num_threads()
1
>>> nb.set_num_threads(before))");
  m.def(
      "set_own_threads",
      [](int count) {
        if (count < 0 || count > 4096) value_error("n_threads", "an integer from 1 to 4096", std::to_string(count));
        set_own_threads(count);
      },
      py::arg("count"), "Use `count` threads in calls from this Python thread only, 0: as set by set_num_threads.");
  m.def("own_threads", &own_threads, "What set_own_threads was called with last in this thread.");
  m.def(
      "team", [] { return py::make_tuple(team_backend(Use::call), team_backend(Use::network)); },
      R"(team()
--

What the teams of threads are made of, for single calls and for networks: ``"openmp"``, or ``"threads"`` (std::thread).

By default OpenMP for single calls, where this build has it and ``OMP_STACKSIZE`` is not set or from 256 KiB to 8 MiB, and
std::threads for networks. The environment variable ``NABLAS_TEAM`` names one for both. Results do not depend on it.

Raises
------
RuntimeError
    When ``NABLAS_TEAM`` names one that this build lacks.)");
  m.def("use_team", &use_team_backend, py::arg("name"),
        "Switch the teams' backend at run time, \"\": as by default; for tests and measurements.");
  m.def("use_futex", &use_futex, py::arg("used"),
        "Whether threads sleep by futexes, where there are any, or by condition variables; for tests.");
  m.def(
      "isa", [] { return kernels<float>().instruction_set; },
      R"(isa()
--

Name of the instruction set whose kernels are in use, such as ``"x86_64_v4"``.

Raises
------
RuntimeError
    When the environment variable ``NABLAS_ISA`` names one that this build or processor lacks.

Examples
--------
>>> nb.isa() in nb.available_isas()
True)");
  m.def("available_isas", &available_instruction_sets,
        R"(available_isas()
--

Instruction sets that this build has and this processor supports, simplest first.

Returns
-------
list of str

Examples
--------
>>> nb.isa() in nb.available_isas()
True)");
  m.def("use_isa", &use_instruction_set, py::arg("name"),
        "Switch the kernels at run time; for tests and measurements.");
  m.def(
      "thresholds", [](bool float64) { return float64 ? thresholds<double>() : thresholds<float>(); },
      py::arg("float64"),
      "Sizes at which the core changes its method (tile, blocks, streaming, threads) with the kernels in use, for "
      "tests.");
  m.def(
      "peak_gflops",
      [](bool float64) {
        const GilReleased release;
        return float64 ? peak_gflops<double>() : peak_gflops<float>();
      },
      py::arg("float64") = false,
      "Peak GFLOP/s of the threads in use: multiply-adds in registers, two operations each.");
  m.def("end_sections", &end_sections, py::arg("seconds"),
        "Wait at exit, at most so many seconds, for the calls under way in other threads; none takes the interpreter's "
        "lock any more. Returns how many are still under way.");
  m.def("registry", &registry,
        "Activations, losses, optimizers, initializations and unary functions by name; see nablas/_registry.py.");
  m.def("thread_source", &source_of_num_threads, "What decides num_threads() now, in words.");
  m.attr("most_weight") = py::dict(py::arg("float32") = most_weight<float>, py::arg("float64") = most_weight<double>);
  m.attr("has_openmp") = has_openmp;
#if defined(__clang__)
  m.attr("compiler") = "Clang " __clang_version__;
#else
  m.attr("compiler") = "GCC " __VERSION__;
#endif
}

}  // namespace nablas
