// Long calls in slices, with a check for signals (Ctrl-C) after each.
#pragma once

#include <algorithm>

#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "network/network.hpp"

namespace nablas {

// Multiply-adds between two checks for pending signals (Ctrl-C): on one thread 20 ms with AVX-512, less than 0.1 s with
// AVX2, 0.25 s with the baseline.
constexpr double operations_between_signals = 1e9;

// Elements of a part of an elementwise function: 10 ms on one thread.
constexpr int64 elements_between_signals = 1 << 23;

// work(part) for consecutive parts of [0, total) of `step`, at least once; signals are checked between parts. `work`
// releases the GIL if that is worth it.
template <class Work>
void in_parts(int64 total, int64 step, Work work) {
  int64 begin = 0;
  do {
    const Range part{begin, std::min(begin + step, total)};
    work(part);
    begin = part.end;
    if (begin < total && PyErr_CheckSignals() != 0) throw py::error_already_set();
  } while (begin < total);
}

// Rows of a part of an elementwise function of rows; whole groups of loss_rows.
inline int64 rows_of_part(int64 columns) {
  return std::max<int64>(1, elements_between_signals / std::max<int64>(columns, 1) / loss_rows) * loss_rows;
}

// Multiply-adds of a part of a network's rows, which may be more than that where fewer rows would read the weights too
// often: it still ends within a second.
constexpr double most_operations_of_slice = 1e10;

// work(rows) for consecutive parts of a network's rows, without the GIL. `operations`: multiply-adds of one row.
template <class Work>
void in_slices(double operations, int64 rows, Work work) {
  const auto groups = [&](double most, int64 size) { return static_cast<int64>(most / operations) / size * size; };
  const int64 few = std::clamp<int64>(groups(most_operations_of_slice, loss_rows), loss_rows, 256);
  const int64 step = std::max(groups(operations_between_signals, 256), few);
  in_parts(rows, step, [&](Range part) {
    const GilReleased release;
    work(part);
  });
}

}  // namespace nablas
