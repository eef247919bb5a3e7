// Networks and data sets, for float32 and float64.
//
// python/nablas/_data.py has already converted the user's arguments to these types; the checks here are those needed
// for memory safety.
#include <pybind11/stl.h>

#include <memory>
#include <mutex>
#include <shared_mutex>

#include "base/long_sum.hpp"
#include "bindings/dataset.hpp"
#include "bindings/gil.hpp"
#include "bindings/slices.hpp"
#include "network/inference.hpp"
#include "network/norms.hpp"

namespace nablas {
namespace {

template <class T>
std::unique_ptr<Network<T>> make_network(const std::vector<int64>& sizes, const std::vector<std::string>& activations) {
  if (sizes.size() < 2)
    value_error("sizes", "at least the inputs and the outputs", std::to_string(sizes.size()) + " sizes");
  for (std::size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] < 1)
      value_error("sizes", "sizes of at least 1", std::to_string(sizes[i]) + " at index " + std::to_string(i));
  if (activations.size() + 1 != sizes.size())
    value_error("activations", std::to_string(sizes.size() - 1) + " names, one a layer",
                std::to_string(activations.size()));
  std::vector<int> indices;
  const auto& table = any_kernels<T>();
  for (std::size_t l = 0; l < activations.size(); ++l) {
    const bool last = l + 1 == activations.size();
    indices.push_back(last && activations[l] == "softmax"
                          ? table.activation_count
                          : entry_index(table.activations, table.activation_count, activations[l],
                                        last ? "output" : "activation", last ? "softmax" : nullptr));
  }
  try {
    return std::make_unique<Network<T>>(sizes, indices);
  } catch (const std::bad_alloc&) {
    int64 parameters = 0;
    for (std::size_t l = 0; l + 1 < sizes.size(); ++l) parameters += (sizes[l] + 1) * sizes[l + 1];
    PyErr_SetString(
        PyExc_MemoryError,
        ("sizes: expected a network that fits in memory, got " + std::to_string(parameters) + " parameters").c_str());
    throw py::error_already_set();
  }
}

template <class T>
py::array_t<T> flat_view(const T* data, int64 size, py::handle owner) {
  return py::array_t<T>({static_cast<py::ssize_t>(size)}, {static_cast<py::ssize_t>(sizeof(T))}, data, owner);
}

template <class T>
py::array infer_array(const Network<T>& network, py::handle x_object, py::handle out) {
  const RowsInput<T> x(x_object, "X");
  if (x.view.columns != network.inputs())
    value_error("X", "shape (n, " + std::to_string(network.inputs()) + ")",
                "(" + std::to_string(x.view.rows) + ", " + std::to_string(x.view.columns) + ")");
  Samples<T> samples;
  samples.x = x.view;
  samples.sparse = x.sparse;
  std::optional<py::array> parameters;
  if (!out.is_none()) parameters = flat_view(network.parameters.data(), network.parameter_count, py::cast(&network));
  Result<T> result(out, {x.view.rows, network.outputs()}, "out", {x.array(), parameters ? &*parameters : nullptr});
  T* const data = result.data();
  kernels<T>();
  in_slices(samples.operations(network), x.view.rows, [&](Range rows) {
    const std::shared_lock<Lock> lock(network.lock);
    infer(network, samples, rows, data + rows.begin * network.outputs());
  });
  return result.finish();
}

// losses[i / loss_rows] = sum of the weighted losses of rows i to i + loss_rows.
template <class T>
Buffer<double> losses_of(const Network<T>& network, const Dataset<T>& set) {
  const Objective objective = set.objective(network);
  kernels<T>();
  const int64 count = set.data.x.rows;
  Buffer<double> losses((count + loss_rows - 1) / loss_rows);
  in_slices(set.data.operations(network), count, [&](Range rows) {
    const std::shared_lock<Lock> lock(network.lock);
    evaluate(network, set.data, objective, rows, losses.data());
  });
  return losses;
}

// Adds the rows' weighted losses and their weights to the sums over the `before` rows before them. Returns both totals
// and what the sums go on from: first the losses' numbers, then the weights'; None if they cannot, after a part of
// loss_rows.
template <class T>
py::tuple evaluate_part(const Network<T>& network, const Dataset<T>& set, int64 before, py::handle sums) {
  if (before < 0 || before % loss_rows != 0)
    value_error("before", "a multiple of " + std::to_string(loss_rows), std::to_string(before));
  LongSum losses, weights;
  const int64 size = LongSum::numbers(before);
  if (before > 0) {
    const Input<double> given = Input<double>(as_array(sums, "sums"), "sums").expect({2 * size}, "sums");
    losses.read(given.data(), before);
    weights.read(given.data() + size, before);
  }
  const Buffer<double> each = losses_of(network, set);
  const int64 count = set.data.x.rows, ends = (count + loss_rows - 1) / loss_rows;
  for (int64 i = 0; i < ends; ++i) losses.add(each.data()[i], loss_rows);
  for (int64 i = 0; i < count; ++i) weights.add(set.data.weights == nullptr ? 1.0 : set.data.weights[i]);
  if (count % loss_rows != 0) return py::make_tuple(losses.total(), weights.total(), py::none());
  py::array_t<double> kept(2 * LongSum::numbers(before + count));
  losses.write(kept.mutable_data());
  weights.write(kept.mutable_data() + LongSum::numbers(before + count));
  return py::make_tuple(losses.total(), weights.total(), kept);
}

// A claim that was taken. Released by `release` or with this object, so that an interrupt right after `hold` leaves no
// claim taken.
class Held {
 public:
  explicit Held(Claim& claim) : claim_(&claim) {}
  ~Held() { release(); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  void release() {
    if (claim_ != nullptr) claim_->release();
    claim_ = nullptr;
  }

 private:
  Claim* claim_;
};

template <class T>
void bind_network_of(py::module_& m, const std::string& suffix) {
  using Net = Network<T>;
  using Set = Dataset<T>;
  py::class_<Net>(m, ("Network_" + suffix).c_str())
      .def(py::init(&make_network<T>), py::arg("sizes"), py::arg("activations"))
      .def("initialize",
           [](Net& self, const std::string& method, std::uint64_t seed) {
             bool known = false;
             for (const std::string& name : initializations()) known |= name == method;
             if (!known)
               value_error("init", "one of " + std::string(py::str(py::str(", ").attr("join")(initializations()))),
                           "'" + method + "'");
             Buffer<T> parameters(self.parameter_count);  // so that an interrupt changes nothing
             GilReleased release;
             initialize(self, method, seed, parameters.data(), [&] { release.check_signals(); });
             release.check_signals();
             const std::lock_guard<Lock> lock(self.lock);
             std::copy_n(parameters.data(), self.parameter_count, self.parameters.data());
             self.updates = 0;
             self.epochs = 0;
           })
      .def_property_readonly("parameters",
                             [](py::object self) {
                               Net& network = self.cast<Net&>();
                               return flat_view(network.parameters.data(), network.parameter_count, self);
                             })
      .def_property(
          "updates", [](const Net& self) { return self.updates.load(); },
          [](Net& self, int64 count) { self.updates = count; })
      .def_readwrite("epochs", &Net::epochs)
      .def_property_readonly("offsets",
                             [](const Net& self) {
                               std::vector<int64> out;
                               for (const Layer& layer : self.layers) out.push_back(layer.offset);
                               return out;
                             })
      .def("forward", &infer_array<T>, py::arg("x"), py::arg("out") = py::none())
      .def(
          "penalty",
          [](const Net& self, double l1, double l2) {
            checked<T>({l1, l2});
            const GilReleased release;
            const std::shared_lock<Lock> lock(self.lock);
            return penalty(self, l1, l2);
          },
          py::arg("l1"), py::arg("l2"))
      .def(
          "evaluate",
          [](const Net& self, const Set& set, double l2) {
            checked<T>({0, l2});
            const Buffer<double> losses = losses_of(self, set);
            const int64 count = set.data.x.rows;
            const double total = long_sum(losses.data(), (count + loss_rows - 1) / loss_rows, loss_rows);
            const double weight = sum_of_weights(set.data, {0, count});
            const double loss = weight > 0 ? total / weight : 0;
            const GilReleased release;
            const std::shared_lock<Lock> lock(self.lock);
            return loss + penalty(self, 0, l2);
          },
          py::arg("data"), py::arg("l2"))
      .def("evaluate_part", &evaluate_part<T>, py::arg("data"), py::arg("before"), py::arg("sums"));
  py::class_<Set>(m, ("Dataset_" + suffix).c_str())
      .def(py::init<const Net&, py::handle, py::handle, py::handle, const std::string&, const py::dict&,
                    const std::vector<int64>&>(),
           py::arg("network"), py::arg("x"), py::arg("targets"), py::arg("sample_weight"), py::arg("loss"),
           py::arg("hyperparameters"), py::arg("groups"))
      .def_property_readonly("rows", [](const Set& self) { return self.data.x.rows; });
  py::class_<PySparse<T>>(m, ("Sparse_" + suffix).c_str())
      .def(py::init<py::handle, py::handle, py::handle, int64>(), py::arg("data"), py::arg("indices"),
           py::arg("indptr"), py::arg("columns"))
      .def_property_readonly(
          "shape", [](const PySparse<T>& self) { return py::make_tuple(self.matrix.rows, self.matrix.columns); });
}

}  // namespace

void bind_network(py::module_& m) {
  py::class_<Held>(m, "Held").def("release", &Held::release);
  py::class_<Claim>(m, "Claim")
      .def(py::init<>())
      .def(
          "hold", [](Claim& self) { return self.take() ? std::make_unique<Held>(self) : nullptr; },
          py::keep_alive<0, 1>());
  bind_network_of<float>(m, "float32");
  bind_network_of<double>(m, "float64");
}

}  // namespace nablas
