// Transposes square blocks of one vector's width in registers.
#pragma once

#include "kernels/simd.hpp"

namespace nablas {
namespace {

// Transposes the blocks of group_lanes x group_lanes elements in the rows from `first` on, one in each 16 bytes, in
// log2(group_lanes) rounds that interleave the two halves of the rows.
template <int first>
NABLAS_INLINE void transpose_group(V (&x)[lanes]) {
#pragma GCC unroll 4
  for (int round = 1; round < group_lanes; round *= 2) {
    V y[group_lanes];
#pragma GCC unroll 4
    for (int i = 0; i < group_lanes; i += 2) {
      y[i] = interleave<0>(x[first + i / 2], x[first + i / 2 + group_lanes / 2]);
      y[i + 1] = interleave<1>(x[first + i / 2], x[first + i / 2 + group_lanes / 2]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < group_lanes; ++i) x[first + i] = y[i];
  }
}

// Transposes x, lanes x lanes elements, in place, and calls ready(k), k a constant expression, for each column as soon
// as x[k] is it, in order: what uses a column does not wait for the last one. First the blocks of 16 bytes are brought
// to their place. Each of the lanes log2(lanes) steps is one instruction.
template <class Ready>
NABLAS_INLINE void transpose(V (&x)[lanes], Ready ready) {
  constexpr int group = group_lanes, blocks = lanes / group, halves = blocks > 1 ? 2 : 1, groups = blocks / halves;
  static_assert(groups <= 2);
  if constexpr (halves > 1) {  // the first halves of all rows, then the second halves
    V y[lanes];
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      if (i % (2 * group) >= group) continue;
      const int to = i / (2 * group) * group + i % group;
      y[to] = join_halves<0>(x[i], x[i + group]);
      y[to + lanes / 2] = join_halves<1>(x[i], x[i + group]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) x[i] = y[i];
  }
  repeat<halves>([&](auto half) NABLAS_LAMBDA {
    constexpr int first = half * lanes / 2;
    if constexpr (groups > 1) {
#pragma GCC unroll 16
      for (int i = first; i < first + group; ++i) {
        const V upper = x[i], lower = x[i + group];
        x[i] = join_alternate<0>(upper, lower);
        x[i + group] = join_alternate<1>(upper, lower);
      }
    }
    repeat<groups>([&](auto g) NABLAS_LAMBDA {
      constexpr int begin = first + g * group;
      transpose_group<begin>(x);
      repeat<group>([&](auto k) NABLAS_LAMBDA { ready(std::integral_constant<int, begin + k>{}); });
    });
  });
}
NABLAS_INLINE void transpose(V (&x)[lanes]) {
  transpose(x, [](auto) NABLAS_LAMBDA {});
}

}  // namespace
}  // namespace nablas
