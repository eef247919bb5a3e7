// Long calls in slices, with a check for signals (Ctrl-C) after each.
#pragma once

#include <algorithm>

#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "network/network.hpp"

namespace nablas {

// Multiply-adds between two checks for pending signals (Ctrl-C): about 20 ms on one thread of a current processor.
constexpr double operations_between_signals = 2e9;

// work(rows) for consecutive parts of [0, rows), without the GIL; signals are checked between parts.
template <class T, class Work>
void in_slices(const Network<T>& network, int64 rows, double operations_factor, Work work) {
  const double slice = operations_between_signals / (operations_factor * network.operations());
  const int64 step = std::max<int64>(1, static_cast<int64>(slice) / 256) * 256;
  int64 begin = 0;
  do {
    const Range part{begin, std::min(begin + step, rows)};
    {
      const GilReleased release;
      work(part);
    }
    begin = part.end;
    if (begin < rows && PyErr_CheckSignals() != 0) throw py::error_already_set();
  } while (begin < rows);
}

}  // namespace nablas
