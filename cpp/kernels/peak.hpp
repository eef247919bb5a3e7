// A core's peak rate of multiply-adds, the reference for all other measurements.
#pragma once

#include "kernels/simd.hpp"

namespace nablas {
namespace {

// Independent chains: more than latency x throughput of the multiply-add (on x86 4 to 5 cycles, 2 per cycle).
constexpr int chains = 12;

// Does at least `count` multiply-adds in registers; returns how many. Reading and writing *sink prevents the compiler
// from removing them.
double multiply_adds(int64 count, T* sink) {
  V sums[chains];
  repeat<chains>([&](auto i) NABLAS_LAMBDA { sums[i] = broadcast(T(i)); });
  const V scale = broadcast(*sink), step = broadcast(T(1) - *sink);
  const int64 rounds = count / (chains * lanes) + 1;
  int64 left = rounds;
  do {
    repeat<chains>([&](auto i) NABLAS_LAMBDA { sums[i] = sums[i] * scale + step; });
  } while (--left > 0);
  V total{};
  repeat<chains>([&](auto i) NABLAS_LAMBDA { total += sums[i]; });
  *sink = sum_lanes(total);
  return static_cast<double>(rounds) * chains * lanes;
}

}  // namespace
}  // namespace nablas
