// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"
// (SC 2011): four random words from a 128-bit counter and a 64-bit key, no state.
//
// Every random number of nablas is word w of block (index, step, stream) under the key `seed`, so it depends on
// these coordinates alone, not on earlier draws. docs/random.md lists the streams.
// Functions are static: this header is compiled into each instruction set's object.
#pragma once

#include "base/types.hpp"

namespace nablas {

struct PhiloxBlock {
  std::uint32_t word[4];
};

// High byte of the stream: the purpose; low bytes: the layer, or the user's stream number.
constexpr std::uint32_t stream_initialization = 0x01000000u, stream_shuffle = 0x02000000u, stream_dropout = 0x03000000u,
                        stream_user = 0x04000000u;

static inline PhiloxBlock philox(std::uint64_t seed, std::uint64_t index, std::uint32_t step, std::uint32_t stream) {
  std::uint32_t c0 = static_cast<std::uint32_t>(index), c1 = static_cast<std::uint32_t>(index >> 32), c2 = step,
                c3 = stream;
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
    const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0,
                        n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// 64-bit word `i` of a sequence; a block holds two.
static inline std::uint64_t philox_word64(std::uint64_t seed, std::uint64_t i, std::uint32_t step,
                                          std::uint32_t stream) {
  const PhiloxBlock block = philox(seed, i / 2, step, stream);
  const int first = i % 2 == 0 ? 0 : 2;
  return static_cast<std::uint64_t>(block.word[first]) << 32 | block.word[first + 1];
}

}  // namespace nablas
