#include "network/random.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/philox.hpp"
#include "network/dispatch.hpp"

namespace nablas {
namespace {

constexpr double two_pi = 6.28318530717958647692;

double unit_interval(std::uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }

}  // namespace

void random_uniform(double low, double high, std::uint64_t seed, std::uint32_t stream, int64 first, double* out,
                    int64 count) {
  for (int64 i = 0; i < count; ++i)
    out[i] = low + (high - low) * unit_interval(philox_word64(seed, first + i, 0, stream));
}

void random_normal(double deviation, std::uint64_t seed, std::uint32_t stream, int64 first, double* out, int64 count) {
  for (int64 i = 0; i < count; i += 2) {  // Box and Muller 1958: two from each block
    const double u = unit_interval(philox_word64(seed, first + i, 0, stream));
    const double radius = deviation * std::sqrt(-2 * std::log(1 - u));
    const double angle = two_pi * unit_interval(philox_word64(seed, first + i + 1, 0, stream));
    out[i] = radius * std::cos(angle);
    if (i + 1 < count) out[i + 1] = radius * std::sin(angle);
  }
}

void random_permutation(std::uint64_t seed, std::uint32_t epoch, int64* out, int64 count, const Pause& pause) {
  constexpr int64 blocks = 128, words = 2 * blocks;  // 64-bit words at once
  static_assert(numbers_between_pauses % words == 0);
  std::uint32_t random[4 * blocks];
  for (int64 begin = 0; begin < count; begin += numbers_between_pauses) {
    if (begin > 0) pause();
    std::iota(out + begin, out + std::min(begin + numbers_between_pauses, count), begin);
  }
  for (int64 k = 0; k < count - 1;) {
    if (k > 0 && k % numbers_between_pauses == 0) pause();
    kernels<float>().random_words(seed, k / 2, std::min(blocks, (count - k) / 2 + 1), epoch, stream_shuffle, random);
    const std::uint32_t* word = random;
    for (const int64 end = std::min(k + words, count - 1); k < end; ++k, word += 2) {
      const int64 i = count - 1 - k;
      const auto number = static_cast<std::uint64_t>(word[0]) << 32 | word[1];
      const auto bound = static_cast<std::uint64_t>(i + 1);
      const auto product =
          static_cast<unsigned __int128>(number) * bound;  // unsigned: one 64 x 64 -> 128-bit multiplication
      std::swap(out[i], out[static_cast<std::uint64_t>(product >> 64)]);
    }
  }
}

}  // namespace nablas
