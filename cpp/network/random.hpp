// Sequences of random numbers: functions of a seed and a stream (docs/random.md).
#pragma once

#include <functional>

#include "base/types.hpp"

namespace nablas {

// Called between parts of a long computation; may throw to end it.
using Pause = std::function<void()>;
// Numbers of a part: at most 20 ms. Even, as `random_normal` needs.
constexpr int64 numbers_between_pauses = 1 << 18;

// out (count,) = numbers `first` to `first + count` of a stream: uniform in [low, high), or normal of mean 0 and
// standard deviation `deviation`, where `first` is even.
void random_uniform(double low, double high, std::uint64_t seed, std::uint32_t stream, int64 first, double* out,
                    int64 count);
void random_normal(double deviation, std::uint64_t seed, std::uint32_t stream, int64 first, double* out, int64 count);
// out (count,): a permutation of 0 .. count - 1 for one epoch (Fisher-Yates).
void random_permutation(std::uint64_t seed, std::uint32_t epoch, int64* out, int64 count, const Pause& pause);

}  // namespace nablas
