// The problems of harness.cpp and all that is done with one of them, through the public functions of cpp/network.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/parallel.hpp"
#include "network/dispatch.hpp"
#include "network/inference.hpp"
#include "network/random.hpp"
#include "network/trainer.hpp"

namespace {

using namespace nablas;

// Sizes and batch decide the schedule: with fewer than 16 rows a thread by layers, with more by rows.
struct Problem {
  const char* name;
  std::vector<int64> sizes;
  int64 rows, batch;
  bool shuffled;
  double dropout;
  bool sparse = false;
  Shards shards = {};
};
const std::vector<Problem> problems = {
    {"by rows", {40, 32, 24, 8}, 700, 200, false, 0},
    {"by rows, shuffled, dropout", {40, 32, 24, 8}, 700, 200, true, 0.2},
    {"by layers, few rows", {150, 130, 140, 30}, 120, 16, true, 0},
    {"by layers, dropout", {150, 130, 140, 30}, 120, 16, false, 0.2},
    {"by layers, wide", {200, 210, 190, 10}, 400, 200, false, 0},
    {"sums of several blocks", {12, 9, 5}, 9000, 9000, true, 0},
    {"sparse, by rows", {300, 32, 24, 8}, 900, 400, true, 0, true},
    {"sparse, by layers, dropout", {900, 140, 30}, 400, 200, false, 0.2, true},
    {"shards, of which the last batch leaves some empty", {40, 32, 24, 8}, 1403, 700, true, 0.2, false, {3, {0, 8}}},
    {"some of the shards", {40, 32, 24, 8}, 1403, 700, false, 0, false, {2, {1, 4}}},
};

template <class Entry>
int index_of(const Entry* entries, int count, const std::string& name) {
  for (int i = 0; i < count; ++i)
    if (name == entries[i].name) return i;
  std::abort();
}

template <class T>
struct Work {
  explicit Work(const Problem& problem)
      : problem(problem),
        x(problem.rows * problem.sizes.front()),
        targets(problem.rows * problem.sizes.back()),
        order(problem.rows),
        dropout_rates(problem.sizes.size() - 1, problem.dropout),
        rates(problem.rows / problem.batch + 1, 0.01),
        network(problem.sizes, activations(problem)) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = T(std::sin(static_cast<double>(i)));
    for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = T(std::cos(static_cast<double>(i)));
    random_permutation(1, 0, order.data(), problem.rows, [] {});
    initialize(network, "glorot", 1, network.parameters.data(), [] {});
    const int64 bytes = sizeof(T);
    const ElementType type = bytes == 4 ? ElementType::float32 : ElementType::float64;
    data.x = {x.data(), type, problem.rows, network.inputs(), network.inputs() * bytes, bytes};
    if (problem.sparse) make_sparse();
    data.targets = targets.data();
    if (problem.shuffled) data.order = order.data();
    const Kernels<T>& table = any_kernels<T>();
    objective = {index_of(table.losses, table.loss_count, "half_mse"), true};
    setting.rule = index_of(table.optimizers, table.optimizer_count, "sgd");
    if (problem.dropout > 0) dropout = {dropout_rates.data(), 1}, adjustment.clip_norm = 0.5;
  }
  static std::vector<int> activations(const Problem& problem) {
    const Kernels<T>& table = any_kernels<T>();
    std::vector<int> out(problem.sizes.size() - 1, index_of(table.activations, table.activation_count, "gelu"));
    out.back() = index_of(table.activations, table.activation_count, "identity");
    return out;
  }

  // Of each row of x every seventh entry, from another one on in each.
  void make_sparse() {
    for (int64 i = 0; i < problem.rows; ++i) {
      offsets.push_back(static_cast<int64>(values.size()));
      for (int64 j = i % 7; j < network.inputs(); j += 7) {
        values.push_back(x[i * network.inputs() + j]);
        columns.push_back(static_cast<std::int32_t>(j));
      }
    }
    offsets.push_back(static_cast<int64>(values.size()));
    matrix = {values.data(), columns.data(), offsets.data(), problem.rows, network.inputs()};
    data.sparse = &matrix;
  }

  // One epoch; interrupted after each block if `seconds` is 0. Left before its end after `most` calls.
  void epoch(Trainer<T>& trainer, double seconds, int most = 1 << 30) {
    trainer.prepare(data, problem.batch, dropout, false, problem.shards);
    EpochState state;
    for (bool done = false; !done && most > 0; --most) {
      const std::lock_guard<Lock> lock(network.lock);
      done = trainer.run_epoch(data, objective, adjustment, problem.batch, rates.data(), dropout, seconds, state,
                               problem.shards);
      if (state.waits) done = finish_batch(trainer, state);
    }
  }
  // As if the other shards' sums were zero and this trainer's last were all of its own.
  bool finish_batch(Trainer<T>& trainer, EpochState& state) {
    const int64 begin = state.step * problem.batch, end = std::min(begin + problem.batch, problem.rows);
    for (int i = 0; i <= state.kept; ++i) keep(trainer.shard_sum(state, i), network.parameter_count);
    trainer.finish_batch(adjustment, rates[state.step], state.kept_losses[state.kept], {begin, end}, state);
    return !state.finite || state.next_row == problem.rows;
  }
  // work(part) for two parts of a batch's rows, or one if they are few.
  template <class Part>
  void in_two_parts(Part work) {
    const int64 rows = problem.batch, middle = rows / 2 / loss_rows * loss_rows;
    for (const Range part : {Range{0, middle}, Range{middle, rows}}) {
      const std::lock_guard<Lock> lock(network.lock);
      if (part.begin < part.end) work(part);
    }
  }
  // As for a loss computed in Python, which here is the outputs' mean square.
  void steps(Trainer<T>& trainer) {
    const int64 rows = problem.batch, outputs = network.outputs();
    std::vector<T> slope(rows * outputs);
    trainer.prepare(data, rows, dropout, true);
    in_two_parts([&](Range part) {
      const T* const of_part = trainer.forward_batch(data, {0, rows}, part, dropout);
      std::copy_n(of_part, (part.end - part.begin) * outputs, slope.data() + part.begin * outputs);
    });
    in_two_parts([&](Range part) { trainer.backward_batch(slope.data(), part, dropout); });
    trainer.finish_gradient(rows);
    const std::lock_guard<Lock> lock(network.lock);
    trainer.update(1e-3, adjustment);
  }
  void gradient(Trainer<T>& trainer) {
    trainer.prepare(data, problem.rows, Dropout{});
    LongSum loss;
    const std::shared_lock<Lock> lock(network.lock);
    trainer.add_gradient(data, objective, {0, problem.rows}, 1.0 / static_cast<double>(problem.rows), loss);
    trainer.finish_gradient(problem.rows);
    trainer.add_penalty(1e-3);
    keep(trainer.gradient(), network.parameter_count);
  }
  void infer_and_evaluate() {
    std::vector<T> out(problem.rows * network.outputs());
    std::vector<double> losses((problem.rows + loss_rows - 1) / loss_rows);
    const std::shared_lock<Lock> lock(network.lock);
    infer(network, data, {0, problem.rows}, out.data());
    evaluate(network, data, objective, {0, problem.rows}, losses.data());
    keep(out.data(), static_cast<int64>(out.size()));
    keep(losses.data(), static_cast<int64>(losses.size()));
  }

  template <class U>
  void keep(const U* values, int64 count) {
    result.append(reinterpret_cast<const char*>(values), count * sizeof(U));
  }

  // All of it with teams of up to `threads`; returns the bits of the results.
  std::string all(int threads) {
    set_own_threads(threads);
    for (const double seconds : {1e9, 0.0}) {
      Trainer<T> trainer(network, setting);  // a new one begins with its team
      epoch(trainer, seconds);
      steps(trainer);
      gradient(trainer);
      infer_and_evaluate();
    }
    Trainer<T> abandoned(network, setting);
    if (problem.rows / problem.batch > 1) epoch(abandoned, 0, 1);
    keep(network.parameters.data(), network.parameter_count);
    return result;
  }

  const Problem problem;
  std::vector<T> x, targets, values;
  std::vector<std::int32_t> columns;
  std::vector<int64> offsets;
  SparseMatrix<T> matrix{};
  std::vector<int64> order;
  std::vector<double> dropout_rates, rates;
  Network<T> network;
  Samples<T> data;
  Objective objective{};
  Adjustment adjustment{1e-4, 1e-3};
  OptimizerSetting setting;
  Dropout dropout;
  std::string result;
};

}  // namespace
