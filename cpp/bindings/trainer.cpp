// Trainers: epochs with signal checks between their slices, and single steps for losses in Python.
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "bindings/dataset.hpp"
#include "bindings/gil.hpp"
#include "bindings/slices.hpp"
#include "network/random.hpp"

namespace nablas {
namespace {

// Seconds between two checks for pending signals (Ctrl-C).
constexpr double seconds_between_signals = 0.05;
// The same where a slice packs the parameters before and after, and nothing but signals is looked for between slices.
constexpr double seconds_between_packings = 0.2;

// A trainer with its network, its setting and its visiting order.
template <class T>
struct PyTrainer {
  PyTrainer(Network<T>& network, const std::string& optimizer, const py::dict& hyperparameters) : network(network) {
    setting.rule = optimizer_index(optimizer);
    read_hyperparameters(any_kernels<T>().optimizers[setting.rule], hyperparameters, setting.hyperparameters);
    trainer = std::make_unique<Trainer<T>>(network, setting);
  }
  Dropout dropout(const std::vector<double>& rates, std::uint64_t seed) const {
    if (rates.size() != network.layers.size())
      value_error("dropout", std::to_string(network.layers.size()) + " rates, one for each layer's inputs",
                  std::to_string(rates.size()));
    for (const double rate : rates)
      if (!(rate >= 0 && rate < 1)) value_error("dropout", "rates from 0 to less than 1", std::to_string(rate));
    const bool any = std::any_of(rates.begin(), rates.end(), [](double rate) { return rate > 0; });
    return {any ? rates.data() : nullptr, seed, static_cast<std::uint64_t>(network.updates)};
  }
  Network<T>& network;
  OptimizerSetting setting;
  std::unique_ptr<Trainer<T>> trainer;
  Buffer<int64> order;
  EpochState ended;  // of the last run_epoch, which followed so many steps of its epoch
  int64 steps_before = 0;
};

// The rows of an epoch that one call visits: all, or those that follow `before` others, which are whole batches.
struct Visits {
  int64 rows, before = 0;
  py::array_t<int64> order{};  // (rows,) of the data's rows; empty: all of them as they lie
};

// `part` is None or (order or None, rows before).
Visits read_part(py::handle part, int64 rows, int64 batch) {
  if (part.is_none()) return {rows};
  const auto [given, before] = part.cast<std::pair<py::object, int64>>();
  if (before < 0 || before % batch != 0)
    value_error("part", "whole batches before it", std::to_string(before) + " rows");
  if (given.is_none()) return {rows, before};
  const py::array order = as_array(given, "order");
  const int64 count = order.ndim() == 1 ? order.shape(0) : 0;
  if (count < 1) value_error("order", "at least one row", "none");
  return {count, before, label_array(order, count, rows, "order")};
}

// Where an epoch stands between two batches: (rows, sums). None: at its beginning.
void read_position(py::handle position, const Visits& visits, int64 batch, EpochState& state) {
  if (position.is_none()) return;
  const auto [done, given] = position.cast<std::pair<int64, py::array>>();
  if (done < std::max<int64>(visits.before, 1) || done >= visits.before + visits.rows || done % batch != 0)
    value_error("position", "rows of whole batches, fewer than all", std::to_string(done));
  const int64 steps = done / batch;
  state.read(Input<double>(given, "position").expect({EpochState::numbers(steps)}, "position").data(), steps, done);
  state.step -= visits.before / batch, state.next_row -= visits.before;
}

// `steps`: those of the epoch before this part.
py::array_t<double> sums_of(const EpochState& state, int64 steps) {
  py::array_t<double> sums(EpochState::numbers(steps + state.step));
  state.write(sums.mutable_data());
  return sums;
}

Shards checked_shards(int64 count, std::pair<int64, int64> own) {
  Shards shards;
  while (shards.levels < most_shard_levels && shards.count() < count) ++shards.levels;
  if (shards.count() != count)
    value_error("shards", "a power of two of at most " + std::to_string(int64{1} << most_shard_levels),
                std::to_string(count));
  shards.own = {own.first, own.second};
  if (own.first < 0 || own.second <= own.first || own.second > count)
    value_error("own", "a range of shards", std::to_string(own.first) + ", " + std::to_string(own.second));
  return shards;
}

// reduce(sums, losses), which adds up the sums of all processes: `sums` are views of this one's, `losses` their losses.
// It leaves the whole gradient in the last of `sums`, and returns the whole loss.
template <class T>
double reduce_batch(PyTrainer<T>& self, const EpochState& state, py::handle reduce) {
  py::list sums;
  for (int i = 0; i <= state.kept; ++i)
    sums.append(py::array_t<T>(self.network.parameter_count, self.trainer->shard_sum(state, i), py::cast(&self)));
  return reduce(sums, py::array_t<double>(state.kept + 1, state.kept_losses)).template cast<double>();
}

// Calls on_rows(rows done) after every slice and on_batch(rows done, sums) between two batches; with `on_batch`, a
// slice that ends within a batch is followed by short ones up to the batch's end. `position`: where to go on. With
// `part`, the rows are that part of the epoch; the next one's position is the rows so far and `sums`. Of the `shards`
// of each batch this trainer computes the range `own`, unless it is all, and `reduce` adds the others.
template <class T>
py::tuple run_epoch(PyTrainer<T>& self, const Dataset<T>& dataset, const PlainArray<double>& rates, int64 batch,
                    bool shuffle, std::uint64_t seed, std::uint32_t epoch, const std::vector<double>& dropout_rates,
                    double l1, double l2, double clip_norm, py::handle on_rows, bool by_batch, double mean_weight,
                    bool bias, py::handle position, py::handle on_batch, double slice, py::handle part,
                    int64 shard_count, std::pair<int64, int64> own, py::handle reduce) {
  Samples<T> data = dataset.data;
  if (data.x.rows < 1) value_error("X", "at least one row", "0 rows");
  if (batch < 1) value_error("batch_size", "1 or more", std::to_string(batch));
  if (part.is_none()) batch = std::min(batch, data.x.rows);
  const Visits visits = read_part(part, data.x.rows, batch);
  const int64 rows = data.x.rows = visits.rows;
  const int64 batches = (rows + batch - 1) / batch;
  check_shape(rates, {batches}, "rates");
  const Shards shards = checked_shards(shard_count, own);
  if (!shards.all() && reduce.is_none()) value_error("reduce", "a function for some of the shards", "None");
  const Objective objective = dataset.objective(self.network);
  const Adjustment adjustment = checked<T>({l1, l2, clip_norm, bias, by_batch, mean_weight});
  const Dropout dropout = self.dropout(dropout_rates, seed);
  const auto start = std::chrono::steady_clock::now();
  EpochState state;
  read_position(position, visits, batch, state);
  if (visits.order.size() > 0) data.order = visits.order.data();
  const double* const rate_data = rates.data();
  {
    GilReleased release;
    {
      const std::lock_guard<Lock> lock(self.network.lock);
      self.trainer->prepare_epoch(data, batch, dropout, adjustment, shards);
    }
    if (shuffle && part.is_none()) {
      self.order.reserve(rows);
      random_permutation(seed, epoch, self.order.data(), rows, [&] { release.check_signals(); });
      data.order = self.order.data();
    }
  }
  const bool longer = on_rows.is_none() && on_batch.is_none() && self.trainer->packs_parameters();
  slice = std::min(slice, longer ? seconds_between_packings : seconds_between_signals);
  bool within_batch = false;
  for (bool done = false; !done;) {
    {
      const GilReleased release;
      const std::lock_guard<Lock> lock(self.network.lock);
      const double seconds = within_batch ? 0.0 : slice;
      done = self.trainer->run_epoch(data, objective, adjustment, batch, rate_data, dropout, seconds, state, shards);
    }
    if (state.waits) {
      const double loss = reduce_batch(self, state, reduce);
      const int64 begin = state.step * batch;
      const GilReleased release;
      const std::lock_guard<Lock> lock(self.network.lock);
      self.trainer->finish_batch(adjustment, rate_data[state.step], loss, {begin, std::min(begin + batch, rows)},
                                 state);
      done = !state.finite || state.next_row == rows;
    }
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!on_rows.is_none() || !on_batch.is_none()) self.trainer->parameters_changed();
    if (!on_rows.is_none()) on_rows(visits.before + state.next_row);
    if (done || on_batch.is_none()) continue;
    within_batch = state.shard >= 0;
    if (!within_batch) on_batch(visits.before + state.next_row, sums_of(state, visits.before / batch));
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  self.ended = state, self.steps_before = visits.before / batch;
  if (!state.finite) return py::make_tuple(state.batch_loss, 0.0, false, seconds);
  const double count = state.count > 0 ? state.count : 1;
  const double share = by_batch ? state.penalties / count : 1;
  const double penalised = l1 != 0 || l2 != 0 ? share * penalty(self.network, l1, l2) : 0.0;
  return py::make_tuple(state.loss_sum.total() / count, penalised, true, seconds);
}

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
  in_slices(set.data.operations(self.network), count, 3, [&](Range rows) {
    const std::shared_lock<Lock> lock(self.network.lock);
    trainer.add_gradient(set.data, objective, rows, weight > 0 ? 1 / weight : 0.0, sum);
  });
  trainer.finish_gradient(count);
  double loss = weight > 0 ? sum.total() / weight : sum.total();
  if (l2 != 0) {
    trainer.add_penalty(l2);
    loss += penalty(self.network, 0, l2);
  }
  return py::make_tuple(loss, py::array_t<T>(self.network.parameter_count, trainer.gradient()));
}

// The data of `set`, visited in `order`; `held` owns the order's memory.
template <class T>
Samples<T> batch_data(const Dataset<T>& set, int64 begin, int64 end, py::handle order,
                      std::optional<py::array_t<int64>>& held) {
  const int64 rows = set.data.x.rows;
  if (begin < 0 || end <= begin || end > rows)
    value_error("begin, end", "a range of rows within the data", std::to_string(begin) + ", " + std::to_string(end));
  Samples<T> data = set.data;
  if (!order.is_none()) {
    held = label_array(as_array(order, "order"), rows, rows, "order");
    data.order = held->data();
  }
  return data;
}

// The optimizer's states, copies; and new values for them.
template <class T>
py::list read_states(PyTrainer<T>& self) {
  py::list copies;
  std::vector<std::pair<const T*, T*>> pairs;
  for (int i = 0; i < max_optimizer_states; ++i) {
    if (!self.trainer->has_state(i)) continue;
    py::array_t<T> copy(self.network.parameter_count);
    pairs.emplace_back(self.trainer->state(i), copy.mutable_data());
    copies.append(copy);
  }
  const GilReleased release;
  const std::lock_guard<Lock> lock(self.network.lock);
  self.trainer->leave_panels();
  for (const auto& [from, to] : pairs) std::copy_n(from, self.network.parameter_count, to);
  return copies;
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
  self.trainer->leave_panels();
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
      .def("run_epoch", &run_epoch<T>, py::arg("data"), py::arg("rates"), py::arg("batch_size"), py::arg("shuffle"),
           py::arg("seed"), py::arg("epoch"), py::arg("dropout"), py::arg("l1"), py::arg("l2"), py::arg("clip_norm"),
           py::arg("on_rows"), py::arg("by_batch"), py::arg("mean_weight"), py::arg("bias"),
           py::arg("position") = py::none(), py::arg("on_batch") = py::none(),
           py::arg("slice") = seconds_between_packings, py::arg("part") = py::none(), py::arg("shards") = 1,
           py::arg("own") = std::pair<int64, int64>(0, 1), py::arg("reduce") = py::none())
      .def("gradient", &gradient<T>, py::arg("data"), py::arg("l2"))
      .def(
          "forward_batch",
          [](Train& self, const Set& set, int64 begin, int64 end, py::handle order, const std::vector<double>& rates,
             std::uint64_t seed) {
            std::optional<py::array_t<int64>> held;
            const Samples<T> data = batch_data(set, begin, end, order, held);
            const Dropout dropout = self.dropout(rates, seed);
            py::array_t<T> out(
                {static_cast<py::ssize_t>(end - begin), static_cast<py::ssize_t>(self.network.outputs())});
            T* const to = out.mutable_data();
            const GilReleased release;
            const std::lock_guard<Lock> lock(self.network.lock);
            self.trainer->prepare(data, end - begin, dropout, true);
            std::copy_n(self.trainer->forward_batch(data, {begin, end}, dropout),
                        (end - begin) * self.network.outputs(), to);
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
            {
              const GilReleased release;
              const std::lock_guard<Lock> lock(self.network.lock);
              self.trainer->backward_batch(gradient.data(), dropout);
            }
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
      .def_property("states", &read_states<T>, &write_states<T>)
      .def_property_readonly("sums", [](const Train& self) { return sums_of(self.ended, self.steps_before); })
      .def_property_readonly("scalar", [](const Train& self) { return self.trainer->scalar(); })
      .def(
          "resume",
          [](Train& self, int64 steps, double scalar) {
            if (steps < 0) value_error("steps", "0 or more", std::to_string(steps));
            const GilReleased release;
            const std::lock_guard<Lock> lock(self.network.lock);
            self.trainer->resume(steps, scalar);
          },
          py::arg("steps"), py::arg("scalar"))
      .def_property_readonly("steps", [](const Train& self) { return self.trainer->steps_done(); });
}

}  // namespace

void bind_trainer(py::module_& m) {
  bind_trainer_of<float>(m, "float32");
  bind_trainer_of<double>(m, "float64");
}

}  // namespace nablas
