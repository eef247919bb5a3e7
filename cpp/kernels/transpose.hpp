// Transposes square blocks of one vector's width in registers.
#pragma once

#include "kernels/simd.hpp"

namespace nablas {
namespace {

// Exchanges the blocks of `size` x `size` elements above the diagonal with those below, and those within them down to
// blocks of 16 bytes.
template <int size>
NABLAS_INLINE void exchange_blocks(V (&x)[lanes]) {
  if constexpr (size >= group_lanes) {
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      if ((i & size) != 0) continue;
      const V upper = x[i], lower = x[i + size];
      x[i] = exchange<0, size>(upper, lower);
      x[i + size] = exchange<1, size>(upper, lower);
    }
    exchange_blocks<size / 2>(x);
  }
}

// x, lanes x lanes elements, in place: blocks of 16 bytes are exchanged, then each is transposed in log2(group_lanes)
// rounds that interleave the two halves of its rows. Each of the lanes log2(lanes) steps is one instruction.
NABLAS_INLINE void transpose(V (&x)[lanes]) {
  exchange_blocks<lanes / 2>(x);
#pragma GCC unroll 4
  for (int round = 1; round < group_lanes; round *= 2) {
    V y[lanes];
#pragma GCC unroll 16
    for (int i = 0; i < lanes; i += 2) {
      const int first = i / group_lanes * group_lanes, row = first + (i - first) / 2;
      y[i] = interleave<0>(x[row], x[row + group_lanes / 2]);
      y[i + 1] = interleave<1>(x[row], x[row + group_lanes / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) x[i] = y[i];
  }
}

}  // namespace
}  // namespace nablas
