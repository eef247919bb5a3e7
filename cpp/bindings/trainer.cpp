// Trainers: epochs, gradients, and single steps for losses in Python.
#include <pybind11/stl.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "bindings/epochs.hpp"
#include "bindings/slices.hpp"
#include "network/norms.hpp"

namespace nablas {
namespace {

// The mean loss over all rows and its gradient (parameters,), both with the penalty.
template <class T>
py::tuple gradient(PyTrainer<T>& self, const Dataset<T>& set, double l2) {
  Trainer<T>& trainer = *self.trainer;
  const Objective objective = set.objective(self.network);
  checked<T>({0, l2});
  const int64 count = set.data.x.rows;
  kernels<T>();
  trainer.prepare(set.data, std::max<int64>(count, 1), Dropout{});
  const double weight = sum_of_weights(set.data, {0, count});
  LongSum sum;
  in_slices(3 * set.data.operations(self.network), count, [&](Range rows) {
    const std::shared_lock<Lock> lock(self.network.lock);
    trainer.add_gradient(set.data, objective, rows, weight > 0 ? 1 / weight : 0.0, sum);
  });
  trainer.finish_gradient(count);
  double loss = weight > 0 ? sum.total() / weight : sum.total();
  if (l2 != 0) {
    const GilReleased release;
    const std::shared_lock<Lock> lock(self.network.lock);
    trainer.add_penalty(l2);
    loss += penalty(self.network, 0, l2);
  }
  return py::make_tuple(loss, py::array_t<T>(self.network.parameter_count, trainer.gradient()));
}

// The data of `set` and the batch's rows within it: from `begin` to `end`, or if `order` is given all of the result,
// which visits only the end - begin rows of `order`; `held` owns its memory.
template <class T>
std::pair<Samples<T>, Range> batch_data(const Dataset<T>& set, int64 begin, int64 end, py::handle order,
                                        std::optional<py::array_t<int64>>& held) {
  const int64 rows = set.data.x.rows;
  if (begin < 0 || end <= begin || end > rows)
    value_error("begin, end", "a range of rows within the data", std::to_string(begin) + ", " + std::to_string(end));
  Samples<T> data = set.data;
  if (order.is_none()) return {data, {begin, end}};
  held = label_array(as_array(order, "order"), end - begin, rows, "order", "row numbers");
  data.order = held->data();
  data.x.rows = end - begin;
  return {data, {0, end - begin}};
}

// The batch's outputs (rows, outputs).
template <class T>
void forward_batch(PyTrainer<T>& self, const Samples<T>& data, Range rows, const Dropout& dropout, T* out) {
  const int64 count = rows.end - rows.begin;
  {
    const GilReleased release;
    const std::lock_guard<Lock> lock(self.network.lock);
    self.trainer->prepare(data, count, dropout, true);
  }
  in_slices(self.network.operations(), count, [&](Range part) {  // of sparse rows, too: they are gathered dense
    const std::lock_guard<Lock> lock(self.network.lock);
    const T* const outputs = self.trainer->forward_batch(data, rows, part, dropout);
    std::copy_n(outputs, (part.end - part.begin) * self.network.outputs(), out + part.begin * self.network.outputs());
  });
}

// The optimizer's states, copies, its number of updates and its scalar state, all between the same two updates.
template <class T>
py::tuple read_state(PyTrainer<T>& self) {
  py::list copies;
  std::vector<std::pair<const T*, T*>> pairs;
  for (int i = 0; i < max_optimizer_states; ++i) {
    if (!self.trainer->has_state(i)) continue;
    py::array_t<T> copy(self.network.parameter_count);
    pairs.emplace_back(self.trainer->state(i), copy.mutable_data());
    copies.append(copy);
  }
  int64 steps;
  double scalar;
  {
    const GilReleased release;
    const std::lock_guard<Lock> lock(self.network.lock);
    self.trainer->unpack_states();
    for (const auto& [from, to] : pairs) std::copy_n(from, self.network.parameter_count, to);
    steps = self.trainer->steps_done(), scalar = self.trainer->scalar();
  }
  return py::make_tuple(copies, steps, scalar);
}

template <class T>
void write_states(PyTrainer<T>& self, const std::vector<py::array>& given) {
  std::vector<Input<T>> states;
  std::vector<T*> places;
  for (int i = 0; i < max_optimizer_states; ++i)
    if (self.trainer->has_state(i)) places.push_back(self.trainer->state(i));
  if (given.size() != places.size()) value_error("states", std::to_string(places.size()), std::to_string(given.size()));
  for (const py::array& state : given)
    states.push_back(Input<T>(state, "states").expect({self.network.parameter_count}, "states"));
  const GilReleased release;
  const std::lock_guard<Lock> lock(self.network.lock);
  self.trainer->unpack_states();
  for (std::size_t i = 0; i < places.size(); ++i)
    std::copy_n(states[i].data(), self.network.parameter_count, places[i]);
}

template <class T>
void bind_trainer_of(py::module_& m, const std::string& suffix) {
  using Net = Network<T>;
  using Set = Dataset<T>;
  using Train = PyTrainer<T>;
  py::class_<Train>(m, ("Trainer_" + suffix).c_str())
      .def(py::init<Net&, const std::string&, const py::dict&>(), py::keep_alive<1, 2>(), py::arg("network"),
           py::arg("optimizer"), py::arg("hyperparameters"))
      .def("run_epochs", &run_epochs<T>, py::arg("data"), py::arg("rates"), py::arg("batch_size"), py::arg("shuffle"),
           py::arg("seed"), py::arg("epoch"), py::arg("dropout"), py::arg("l1"), py::arg("l2"), py::arg("clip_norm"),
           py::arg("on_rows"), py::arg("by_batch"), py::arg("mean_weight"), py::arg("bias"),
           py::arg("history") = py::none(), py::arg("loss_scale") = 1.0, py::arg("position") = py::none(),
           py::arg("on_batch") = py::none(), py::arg("slice") = seconds_between_packings, py::arg("part") = py::none(),
           py::arg("shards") = 1, py::arg("own") = std::pair<int64, int64>(0, 1), py::arg("reduce") = py::none())
      .def(
          "record",
          [](Train& self, py::handle history, double loss_scale, double rate, double loss, double penalty, bool finite,
             double seconds) {
            record(self, Curves(history), loss_scale, &rate, 1, {{loss, penalty, finite, seconds}});
          },
          py::arg("history"), py::arg("loss_scale"), py::arg("rate"), py::arg("loss"), py::arg("penalty"),
          py::arg("finite"), py::arg("seconds"))
      .def("gradient", &gradient<T>, py::arg("data"), py::arg("l2"))
      .def(
          "forward_batch",
          [](Train& self, const Set& set, int64 begin, int64 end, py::handle order, const std::vector<double>& rates,
             std::uint64_t seed) {
            std::optional<py::array_t<int64>> held;
            const auto [data, rows] = batch_data(set, begin, end, order, held);
            const Dropout dropout = self.dropout(rates, seed);
            py::array_t<T> out(
                {static_cast<py::ssize_t>(end - begin), static_cast<py::ssize_t>(self.network.outputs())});
            forward_batch(self, data, rows, dropout, out.mutable_data());
            return out;
          },
          py::arg("data"), py::arg("begin"), py::arg("end"), py::arg("order"), py::arg("dropout"), py::arg("seed"))
      .def(
          "backward_batch",
          [](Train& self, const py::array& by_outputs, const std::vector<double>& rates, std::uint64_t seed) {
            const Dropout dropout = self.dropout(rates, seed);
            if (self.trainer->batch_rows() == 0) value_error("gradient", "a forward_batch before it", "none");
            const Input<T> gradient = Input<T>(by_outputs, "gradient")
                                          .expect({self.trainer->batch_rows(), self.network.outputs()}, "gradient");
            const int64 rows = self.trainer->batch_rows();
            in_slices(2 * self.network.operations(), rows, [&](Range part) {
              const std::lock_guard<Lock> lock(self.network.lock);
              self.trainer->backward_batch(gradient.data(), part, dropout);
            });
            self.trainer->finish_gradient(rows);
            return py::array_t<T>(self.network.parameter_count, self.trainer->gradient(), py::cast(&self));
          },
          py::arg("gradient"), py::arg("dropout"), py::arg("seed"))
      .def(
          "update",
          [](Train& self, double rate, double l1, double l2, double clip_norm, bool bias) {
            check_held_by<T>(rate, "learning_rate");
            const Adjustment adjustment = checked<T>({l1, l2, clip_norm, bias});
            const GilReleased release;
            const std::lock_guard<Lock> lock(self.network.lock);
            self.trainer->update(rate, adjustment);
          },
          py::arg("learning_rate"), py::arg("l1"), py::arg("l2"), py::arg("clip_norm"), py::arg("bias"))
      .def_property_readonly("state", &read_state<T>)
      .def_property(
          "states", [](Train& self) { return py::list(read_state(self)[0]); }, &write_states<T>)
      .def_property_readonly("sums", [](const Train& self) { return sums_of(self.ended, self.steps_before); })
      .def(
          "resume",
          [](Train& self, int64 steps, double scalar) {
            if (steps < 0) value_error("steps", "0 or more", std::to_string(steps));
            const GilReleased release;
            const std::lock_guard<Lock> lock(self.network.lock);
            self.trainer->resume(steps, scalar);
          },
          py::arg("steps"), py::arg("scalar"))
      .def_readwrite("epochs", &Train::epochs)
      .def_property_readonly("steps", [](const Train& self) {
        const GilReleased release;
        const std::shared_lock<Lock> lock(self.network.lock);
        return self.trainer->steps_done();
      });
}

}  // namespace

void bind_trainer(py::module_& m) {
  bind_trainer_of<float>(m, "float32");
  bind_trainer_of<double>(m, "float64");
}

}  // namespace nablas
