// Transposes square blocks of one vector's width in registers.
#pragma once

#include "kernels/simd.hpp"

namespace nablas {
namespace {

// x, lanes x lanes elements, in place: log2(lanes) rounds, each interleaving the two halves of the rows.
NABLAS_INLINE void transpose(V (&x)[lanes]) {
  V y[lanes];
#pragma GCC unroll 4
  for (int round = 1; round < lanes; round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < lanes / 2; ++i) {
      y[2 * i] = interleave_low(x[i], x[i + lanes / 2]);
      y[2 * i + 1] = interleave_high(x[i], x[i + lanes / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) x[i] = y[i];
  }
}

}  // namespace
}  // namespace nablas
