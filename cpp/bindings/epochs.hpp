// Epochs as Python calls them: one or several, in slices with signal checks in between.
#pragma once

#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "bindings/dataset.hpp"
#include "bindings/gil.hpp"
#include "network/norms.hpp"
#include "network/random.hpp"

namespace nablas {

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
  int64 epochs = 0;
  EpochState ended;  // of the last run_epoch, which followed so many steps of its epoch
  int64 steps_before = 0;
};

// The rows of an epoch that one call visits: all, or those that follow `before` others, which are whole batches.
struct Visits {
  int64 rows, before = 0;
  py::array_t<int64> order{};  // (rows,) of the data's rows; empty: all of them as they lie
};

// `part` is None or (order or None, rows before).
inline Visits read_part(py::handle part, int64 rows, int64 batch) {
  if (part.is_none()) return {rows};
  const auto [given, before] = part.cast<std::pair<py::object, int64>>();
  if (before < 0 || before % batch != 0)
    value_error("part", "whole batches before it", std::to_string(before) + " rows");
  if (given.is_none()) return {rows, before};
  const py::array order = as_array(given, "order");
  const int64 count = order.ndim() == 1 ? order.shape(0) : 0;
  if (count < 1) value_error("order", "at least one row", "none");
  return {count, before, label_array(order, count, rows, "order", "row numbers")};
}

// Where an epoch stands between two batches: (rows, sums). None: at its beginning.
inline void read_position(py::handle position, const Visits& visits, int64 batch, EpochState& state) {
  if (position.is_none()) {
    if (visits.before > 0) value_error("position", "that after the rows before the part", "None");
    return;
  }
  const auto [done, given] = position.cast<std::pair<int64, py::array>>();
  if (done < std::max<int64>(visits.before, 1) || done >= visits.before + visits.rows || done % batch != 0)
    value_error("position", "rows of whole batches, fewer than all", std::to_string(done));
  const int64 steps = done / batch;
  state.read(Input<double>(given, "position").expect({EpochState::numbers(steps)}, "position").data(), steps, done);
  state.step -= visits.before / batch, state.next_row -= visits.before;
}

// `steps`: those of the epoch before this part.
inline py::array_t<double> sums_of(const EpochState& state, int64 steps) {
  py::array_t<double> sums(EpochState::numbers(steps + state.step));
  state.write(sums.mutable_data());
  return sums;
}

inline Shards checked_shards(int64 count, std::pair<int64, int64> own) {
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

// The result of one epoch, for Python a tuple: mean loss without the penalty, penalty, whether all losses were finite,
// seconds.
struct EpochResult {
  double loss, penalty;
  bool finite;
  double seconds;
  bool goes_on() const { return finite && std::isfinite(loss + penalty); }
  py::tuple tuple() const { return py::make_tuple(loss, penalty, finite, seconds); }
};

using SteadyTime = std::chrono::steady_clock::time_point;
inline double seconds_since(SteadyTime start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// What all epochs of one call read.
template <class T>
struct EpochCall {
  PyTrainer<T>& self;
  Samples<T> data;
  Objective objective;
  Adjustment adjustment;
  int64 batch;
  Dropout dropout;
  Shards shards;

  // The order of the rows, of the seed and the epoch.
  void shuffle(std::uint64_t seed, std::uint32_t epoch, const Pause& pause) {
    self.order.reserve(data.x.rows);
    random_permutation(seed, epoch, self.order.data(), data.x.rows, pause);
    data.order = self.order.data();
  }

  // Runs for about so many seconds; returns whether the epoch has ended.
  bool run(const double* rates, double seconds, EpochState& state) {
    const std::lock_guard<Lock> lock(self.network.lock);
    return self.trainer->run_epoch(data, objective, adjustment, batch, rates, dropout, seconds, state, shards);
  }

  // After a batch of which others compute shards; returns whether the epoch has ended.
  bool finish_batch(const double* rates, py::handle reduce, EpochState& state) {
    const double loss = reduce_batch(self, state, reduce);
    const int64 begin = state.step * batch, end = std::min(begin + batch, data.x.rows);
    const GilReleased release;
    const std::lock_guard<Lock> lock(self.network.lock);
    self.trainer->finish_batch(adjustment, rates[state.step], loss, {begin, end}, state);
    return !state.finite || state.next_row == data.x.rows;
  }

  EpochResult result(const EpochState& state, SteadyTime start) const {
    if (!state.finite) return {state.batch_loss, 0.0, false, seconds_since(start)};
    const double count = state.count > 0 ? state.count : 1, l1 = adjustment.l1, l2 = adjustment.l2;
    const double scale = adjustment.by_batch ? state.penalties / count : 1;
    const double penalised = l1 != 0 || l2 != 0 ? scale * penalty(self.network, l1, l2) : 0.0;
    return {state.loss_sum.total() / count, penalised, true, seconds_since(start)};
  }
};

// Calls on_rows(rows done) after every slice and on_batch(rows done, sums) between two batches; with `on_batch`, a
// slice that ends within a batch is followed by short ones up to the batch's end. `before`: rows of the epoch before
// the call's. Signals are looked for after each slice but the last.
template <class T>
void run_in_slices(EpochCall<T>& call, const double* rates, int64 before, py::handle on_rows, py::handle on_batch,
                   py::handle reduce, double slice, EpochState& state) {
  bool within_batch = false;
  for (bool done = false; !done;) {
    {
      const GilReleased release;
      done = call.run(rates, within_batch ? 0.0 : slice, state);
    }
    if (state.waits) done = call.finish_batch(rates, reduce, state);
    if (!done && PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!on_rows.is_none() || !on_batch.is_none()) call.self.trainer->parameters_changed();
    if (!on_rows.is_none()) on_rows(before + state.next_row);
    if (done || on_batch.is_none()) continue;
    within_batch = state.shard >= 0;
    if (!within_batch) on_batch(before + state.next_row, sums_of(state, before / call.batch));
  }
}

// The epochs of `rates` (epochs, batches) that follow the first one of a call, whose result is in `done`: without
// Python in between, for as long as the next one may be expected to end within `slice` seconds of the call.
template <class T>
void run_further(EpochCall<T>& call, const PlainArray<double>& rates, bool shuffle, std::uint64_t seed,
                 std::uint32_t epoch, double slice, std::vector<EpochResult>& done) {
  const int64 epochs = rates.shape(0), batches = rates.shape(1);
  const double* const rate_data = rates.data();
  const GilReleased release;
  const SteadyTime start = std::chrono::steady_clock::now();
  const double first = done.back().seconds;
  double before = 0;  // seconds from `start` to the epoch's beginning
  for (int64 i = 1; i < epochs && done.back().goes_on(); ++i) {
    if ((first + before) * static_cast<double>(i + 1) > slice * static_cast<double>(i)) return;
    EpochState state;
    if (shuffle) call.shuffle(seed, epoch + static_cast<std::uint32_t>(i), [] {});
    call.run(rate_data + i * batches, std::numeric_limits<double>::infinity(), state);
    done.push_back(call.result(state, start));
    done.back().seconds -= before;
    before += done.back().seconds;
  }
}

// The lists of a History that the core writes.
struct Curves {
  explicit Curves(py::handle history)
      : loss(history.attr("loss")), rate(history.attr("learning_rate")), seconds(history.attr("seconds")) {}
  py::list loss, rate, seconds;
};

// Counts the epochs, and adds an entry for each to the curves; without one that diverged, which is the last. No Python
// code runs meanwhile, so that no signal's handler finds, or leaves by an exception, only a part of it. `rates`: of all
// the batches.
template <class T>
void record(PyTrainer<T>& self, Curves curves, double loss_scale, const double* rates, int64 batches,
            const std::vector<EpochResult>& done) {
  const double* last_rate = rates + batches - 1;
  for (const EpochResult& each : done) {
    if (!each.goes_on()) return;
    curves.loss.append(each.loss * loss_scale + each.penalty);
    curves.rate.append(*last_rate);
    curves.seconds.append(each.seconds);
    last_rate += batches;
    ++self.epochs;
    ++self.network.epochs;
  }
}

// One epoch or several, the first of them of number `epoch`: `rates` (epochs, batches). Of several, as many as soon end
// are run. With a `history`, those that ended are recorded. Returns the last one's result. `position`: where to go on.
// With `part`, the rows are that part of one epoch; the next one's position is the rows so far and `sums`. Of the
// `shards` of each batch this trainer computes the range `own`, unless it is all, and `reduce` adds the others.
template <class T>
py::tuple run_epochs(PyTrainer<T>& self, const Dataset<T>& dataset, const PlainArray<double>& rates, int64 batch,
                     bool shuffle, std::uint64_t seed, std::uint32_t epoch, const std::vector<double>& dropout_rates,
                     double l1, double l2, double clip_norm, py::handle on_rows, bool by_batch, double mean_weight,
                     bool bias, py::handle history, double loss_scale, py::handle position, py::handle on_batch,
                     double slice, py::handle part, int64 shard_count, std::pair<int64, int64> own, py::handle reduce) {
  Samples<T> data = dataset.data;
  if (data.x.rows < 1) value_error("X", "at least one row", "0 rows");
  if (batch < 1) value_error("batch_size", "1 or more", std::to_string(batch));
  if (part.is_none()) batch = std::min(batch, data.x.rows);
  const Visits visits = read_part(part, data.x.rows, batch);
  data.x.rows = visits.rows;
  const int64 epochs = rates.ndim() > 0 ? rates.shape(0) : 0;
  if (epochs < 1) value_error("rates", "at least one epoch", "none");
  check_shape(rates, {epochs, (visits.rows + batch - 1) / batch}, "rates");
  const Shards shards = checked_shards(shard_count, own);
  if (!shards.all() && reduce.is_none()) value_error("reduce", "a function for some of the shards", "None");
  const Adjustment adjustment = checked<T>({l1, l2, clip_norm, bias, by_batch, mean_weight});
  EpochCall<T> call{self,  data, dataset.objective(self.network), adjustment, batch, self.dropout(dropout_rates, seed),
                    shards};
  std::vector<EpochResult> done;
  done.reserve(static_cast<std::size_t>(epochs));  // here, where nothing is lost if there is no memory
  const SteadyTime start = std::chrono::steady_clock::now();
  EpochState state;
  read_position(position, visits, batch, state);
  if (visits.order.size() > 0) call.data.order = visits.order.data();
  shuffle = shuffle && part.is_none();
  {
    GilReleased release;
    {
      const std::lock_guard<Lock> lock(self.network.lock);
      self.trainer->prepare_epoch(data, batch, call.dropout, adjustment, shards);
    }
    if (shuffle) call.shuffle(seed, epoch, [&] { release.check_signals(); });
  }
  const bool longer = on_rows.is_none() && on_batch.is_none() && self.trainer->packs_parameters();
  const double seconds = std::min(slice, longer ? seconds_between_packings : seconds_between_signals);
  run_in_slices(call, rates.data(), visits.before, on_rows, on_batch, reduce, seconds, state);
  self.ended = state, self.steps_before = visits.before / batch;
  done.push_back(call.result(state, start));
  if (on_batch.is_none() && part.is_none() && shards.all())
    run_further(call, rates, shuffle, seed, epoch, seconds, done);
  if (!history.is_none()) record(self, Curves(history), loss_scale, rates.data(), rates.shape(1), done);
  return done.back().tuple();
}

}  // namespace nablas
