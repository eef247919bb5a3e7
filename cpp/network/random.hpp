// Sequences of random numbers: functions of a seed and a stream (docs/random.md).
#pragma once

#include "base/types.hpp"

namespace nablas {

// standard deviation `deviation`.
void random_uniform(double low, double high, std::uint64_t seed, std::uint32_t stream, double* out, int64 count);
void random_normal(double deviation, std::uint64_t seed, std::uint32_t stream, double* out, int64 count);
// out (count,): a permutation of 0 .. count - 1 for one epoch (Fisher-Yates).
void random_permutation(std::uint64_t seed, std::uint32_t epoch, int64* out, int64 count);

}  // namespace nablas
