// Networks, data sets and trainers, for float32 and float64.
//
// Python has already turned what users pass into these types (python/nablas/_data.py); the checks here are those
// that memory safety needs.
#include <pybind11/stl.h>

#include <chrono>
#include <memory>

#include "bindings/arrays.hpp"
#include "bindings/registry.hpp"
#include "network/trainer.hpp"

namespace nablas {
namespace {

// Python is asked for pending signals (Ctrl-C) this often, in seconds.
constexpr double seconds_between_signals = 0.05;

template <class T>
std::unique_ptr<Network<T>> make_network(const std::vector<int64>& sizes, const std::vector<std::string>& activations) {
  if (sizes.size() < 2) value_error("sizes", "at least the inputs and the outputs", std::to_string(sizes.size()) + " sizes");
  for (std::size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] < 1) value_error("sizes", "sizes of at least 1", std::to_string(sizes[i]) + " at index " + std::to_string(i));
  if (activations.size() + 1 != sizes.size()) value_error("activations", std::to_string(sizes.size() - 1) + " names, one a layer", std::to_string(activations.size()));
  std::vector<int> indices;
  const auto& table = any_kernels<T>();
  for (std::size_t l = 0; l < activations.size(); ++l) {
    const bool last = l + 1 == activations.size();
    indices.push_back(last && activations[l] == "softmax"
                          ? table.activation_count
                          : entry_index(table.activations, table.activation_count, activations[l], last ? "output" : "activation", last ? "softmax" : nullptr));
  }
  try {
    return std::make_unique<Network<T>>(sizes, indices);
  } catch (const std::bad_alloc&) {
    int64 parameters = 0;
    for (std::size_t l = 0; l + 1 < sizes.size(); ++l) parameters += (sizes[l] + 1) * sizes[l + 1];
    PyErr_SetString(PyExc_MemoryError, ("sizes: expected a network that fits in memory, got " + std::to_string(parameters) + " parameters").c_str());
    throw py::error_already_set();
  }
}

// Rows to train on or to evaluate, checked once. Holds on to the arrays it reads.
template <class T>
struct Dataset {
  Dataset(const Network<T>& network, py::handle x, py::handle targets, py::handle sample_weight, const std::string& loss) : x(x, "X"), loss(loss_index(loss)) {
    const LossEntry<T>& entry = any_kernels<T>().losses[this->loss];
    data.x = this->x.source;
    const int64 rows = data.x.rows;
    inputs = network.inputs(), outputs = network.outputs();
    if (data.x.columns != network.inputs()) value_error("X", "shape (n, " + std::to_string(network.inputs()) + ")", "(" + std::to_string(rows) + ", " + std::to_string(data.x.columns) + ")");
    if (!targets.is_none()) {
      const py::array array = as_array(targets, "y");
      if (entry.takes_labels && array.ndim() == 1) {
        labels = label_array(array, rows, outputs, "y");
        data.labels = labels.data();
      } else {
        this->targets.emplace(array, "y");
        this->targets->expect({rows, outputs}, "y");
        check_range(*this->targets, entry.lowest, entry.highest, "y");
        data.targets = this->targets->data();
      }
    }
    if (!sample_weight.is_none()) {
      weights.emplace(sample_weight, "sample_weight");
      weights->expect({rows}, "sample_weight");
      check_range(*weights, 0, std::numeric_limits<T>::max(), "sample_weight");
      data.weights = weights->data();
    }
  }
  Objective objective(const Network<T>& network, double l2) const {
    const std::string link = any_kernels<T>().losses[loss].link;
    const bool softmax = network.softmax_output();
    const std::string output = softmax ? "softmax" : any_kernels<T>().activations[network.layers.back().activation].name;
    if (data.targets == nullptr && data.labels == nullptr) value_error("y", "targets", "None");
    if (network.inputs() != inputs || network.outputs() != outputs) value_error("data", "data made for this network", "another network's");
    if (output != link && link != "identity")
      value_error("loss", "one that fits output '" + output + "'", std::string("'") + any_kernels<T>().losses[loss].name + "', which needs output '" + link + "'");
    check_finite_scalar(l2, "l2");
    return {loss, output == link, l2};
  }
  DataMatrix x;
  int loss;
  int64 inputs = 0, outputs = 0;
  py::array_t<int64> labels;
  std::optional<Input<T>> targets, weights;
  Data<T> data;
};

// A trainer, its network's lock and its visiting order.
template <class T>
struct PyTrainer {
  PyTrainer(Network<T>& network, const std::string& optimizer, const py::dict& hyperparameters) : network(network) {
    setting.rule = optimizer_index(optimizer);
    read_hyperparameters(setting.rule, hyperparameters, setting.hyperparameters);
    trainer = std::make_unique<Trainer<T>>(network, setting);
  }
  Dropout dropout(const std::vector<double>& rates, std::uint64_t seed) const {
    if (rates.size() != network.layers.size()) value_error("dropout", std::to_string(network.layers.size()) + " rates, one for each layer's inputs", std::to_string(rates.size()));
    for (const double rate : rates)
      if (!(rate >= 0 && rate < 1)) value_error("dropout", "rates from 0 to less than 1", std::to_string(rate));
    Dropout out;
    out.rates = rates;
    out.seed = seed;
    out.step = static_cast<std::uint64_t>(trainer->steps_done());
    return out;
  }
  Network<T>& network;
  OptimizerSetting setting;
  std::unique_ptr<Trainer<T>> trainer;
  Buffer<int64> order;
};

template <class T>
py::tuple run_epoch(PyTrainer<T>& self, const Dataset<T>& dataset, const py::array_t<double, py::array::c_style>& rates, int64 batch, bool shuffle, std::uint64_t seed,
                    std::uint32_t epoch, const std::vector<double>& dropout_rates, double l2, py::handle on_rows) {
  Data<T> data = dataset.data;
  const int64 rows = data.x.rows;
  if (rows < 1) value_error("X", "at least one row", "0 rows");
  if (batch < 1) value_error("batch_size", "1 or more", std::to_string(batch));
  batch = std::min(batch, rows);
  const int64 batches = (rows + batch - 1) / batch;
  check_shape(rates, {batches}, "rates");
  const Objective objective = dataset.objective(self.network, l2);
  const Dropout dropout = self.dropout(dropout_rates, seed);
  const auto start = std::chrono::steady_clock::now();
  EpochState state;
  const double* const rate_data = rates.data();
  {
    py::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(self.network.mutex);
    self.trainer->prepare(batch, dropout.any());
    if (shuffle) {
      self.order.reserve(rows);
      random_permutation(seed, epoch, self.order.data(), rows);
      data.order = self.order.data();
    }
  }
  for (bool done = false; !done;) {
    {
      py::gil_scoped_release release;
      const std::lock_guard<std::mutex> lock(self.network.mutex);
      done = self.trainer->run_epoch(data, objective, batch, rate_data, dropout, seconds_between_signals, state);
    }
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!on_rows.is_none()) on_rows(state.next_row);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double loss = state.finite ? (state.weight_sum > 0 ? state.loss_sum / state.weight_sum : 0.0) : state.batch_loss;
  return py::make_tuple(loss + (l2 != 0 && state.finite ? l2 * squared_weights(self.network) : 0.0), state.finite, seconds);
}

template <class T>
py::array_t<T> flat_view(T* data, int64 size, py::handle owner) {
  return py::array_t<T>({static_cast<py::ssize_t>(size)}, {static_cast<py::ssize_t>(sizeof(T))}, data, owner);
}

template <class T>
py::array infer_array(const Network<T>& network, py::handle x_object, py::handle out) {
  const DataMatrix x(x_object, "X");
  if (x.source.columns != network.inputs())
    value_error("X", "shape (n, " + std::to_string(network.inputs()) + ")", "(" + std::to_string(x.source.rows) + ", " + std::to_string(x.source.columns) + ")");
  const py::array array = as_array(x_object, "X");
  Result<T> result(out, {x.source.rows, network.outputs()}, "out", {&array});
  T* const data = result.data();
  kernels<T>();
  {
    py::gil_scoped_release release;
    infer(network, x.source, data);
  }
  return result.finish();
}

template <class T>
void bind(py::module_& m, const std::string& suffix) {
  using Net = Network<T>;
  using Set = Dataset<T>;
  using Train = PyTrainer<T>;
  py::class_<Net>(m, ("Network_" + suffix).c_str())
      .def(py::init(&make_network<T>), py::arg("sizes"), py::arg("activations"))
      .def("initialise",
           [](Net& self, const std::string& method, std::uint64_t seed) {
             bool known = false;
             for (const std::string& name : initialisations()) known |= name == method;
             if (!known) value_error("init", "one of " + std::string(py::str(py::str(", ").attr("join")(initialisations()))), "'" + method + "'");
             py::gil_scoped_release release;
             const std::lock_guard<std::mutex> lock(self.mutex);
             initialise(self, method, seed);
           })
      .def_property_readonly("parameters",
                             [](py::object self) {
                               Net& network = self.cast<Net&>();
                               return flat_view(network.parameters.data(), network.parameter_count, self);
                             })
      .def_property_readonly("offsets",
                             [](const Net& self) {
                               std::vector<int64> out;
                               for (const Layer& layer : self.layers) out.push_back(layer.offset);
                               return out;
                             })
      .def("forward", &infer_array<T>, py::arg("x"), py::arg("out") = py::none())
      .def("evaluate",
           [](const Net& self, const Set& set, double l2) {
             const Objective objective = set.objective(self, l2);
             kernels<T>();
             py::gil_scoped_release release;
             return evaluate(self, set.data, objective) + (l2 != 0 ? l2 * squared_weights(self) : 0.0);
           },
           py::arg("data"), py::arg("l2"))
      .def("gradient",
           [](Net& self, const Set& set, double l2) {
             const Objective objective = set.objective(self, l2);
             py::array_t<T> out(self.parameter_count);
             T* const to = out.mutable_data();
             double loss;
             {
               py::gil_scoped_release release;
               const std::lock_guard<std::mutex> lock(self.mutex);
               Trainer<T> trainer(self, {});
               trainer.prepare(std::max<int64>(set.data.x.rows, 1), false);
               loss = trainer.compute_gradient(set.data, objective) + (l2 != 0 ? l2 * squared_weights(self) : 0.0);
               std::copy_n(trainer.gradient(), self.parameter_count, to);
             }
             return py::make_tuple(loss, out);
           },
           py::arg("data"), py::arg("l2"));
  py::class_<Set>(m, ("Dataset_" + suffix).c_str())
      .def(py::init<const Net&, py::handle, py::handle, py::handle, const std::string&>(), py::arg("network"), py::arg("x"), py::arg("targets"), py::arg("sample_weight"),
           py::arg("loss"))
      .def_property_readonly("rows", [](const Set& self) { return self.data.x.rows; });
  py::class_<Train>(m, ("Trainer_" + suffix).c_str())
      .def(py::init<Net&, const std::string&, const py::dict&>(), py::keep_alive<1, 2>(), py::arg("network"), py::arg("optimizer"), py::arg("hyperparameters"))
      .def("run_epoch", &run_epoch<T>, py::arg("data"), py::kw_only(), py::arg("rates"), py::arg("batch_size"), py::arg("shuffle"), py::arg("seed"), py::arg("epoch"),
           py::arg("dropout"), py::arg("l2"), py::arg("on_rows") = py::none())
      .def("forward_batch",
           [](Train& self, const Set& set, int64 begin, int64 end, py::handle order, const std::vector<double>& rates, std::uint64_t seed) {
             const int64 rows = set.data.x.rows;
             if (begin < 0 || end <= begin || end > rows) value_error("begin, end", "a range of rows within the data", std::to_string(begin) + ", " + std::to_string(end));
             Data<T> data = set.data;
             py::array_t<int64> held;
             if (!order.is_none()) {
               held = label_array(as_array(order, "order"), rows, rows, "order");
               data.order = held.data();
             }
             const Dropout dropout = self.dropout(rates, seed);
             py::array_t<T> out({static_cast<py::ssize_t>(end - begin), static_cast<py::ssize_t>(self.network.outputs())});
             T* const to = out.mutable_data();
             py::gil_scoped_release release;
             const std::lock_guard<std::mutex> lock(self.network.mutex);
             self.trainer->prepare(end - begin, dropout.any(), true);
             std::copy_n(self.trainer->forward_batch(data, {begin, end}, dropout), (end - begin) * self.network.outputs(), to);
             return out;
           },
           py::arg("data"), py::arg("begin"), py::arg("end"), py::arg("order"), py::arg("dropout"), py::arg("seed"))
      .def("backward_batch",
           [](Train& self, const py::array& by_outputs, const std::vector<double>& rates, std::uint64_t seed) {
             const Dropout dropout = self.dropout(rates, seed);
             if (self.trainer->batch_rows() == 0) value_error("gradient", "a forward_batch before it", "none");
             const Input<T> gradient = Input<T>(by_outputs, "gradient").expect({self.trainer->batch_rows(), self.network.outputs()}, "gradient");
             py::gil_scoped_release release;
             const std::lock_guard<std::mutex> lock(self.network.mutex);
             self.trainer->backward_batch(gradient.data(), dropout);
           },
           py::arg("gradient"), py::arg("dropout"), py::arg("seed"))
      .def("update",
           [](Train& self, double rate, double l2) {
             check_finite_scalar(rate, "learning_rate");
             check_finite_scalar(l2, "l2");
             py::gil_scoped_release release;
             const std::lock_guard<std::mutex> lock(self.network.mutex);
             self.trainer->update(rate, l2);
           },
           py::arg("learning_rate"), py::arg("l2"))
      .def_property_readonly("steps", [](const Train& self) { return self.trainer->steps_done(); });
}

}  // namespace

void bind_network(py::module_& m) {
  bind<float>(m, "float32");
  bind<double>(m, "float64");
}

}  // namespace nablas
