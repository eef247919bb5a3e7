// Vectors and loops over arrays in whole vectors. A loop's last, partial vector is padded, so every element goes
// through the same vector instructions at every position.
#pragma once

#include "kernels/partial.hpp"

namespace nablas {
namespace {

// Before a loop of at most 16 steps: unrolled completely, and early enough that arrays of vectors stay in registers.
#ifdef __clang__
#define NABLAS_UNROLL _Pragma("unroll")
#else
#define NABLAS_UNROLL _Pragma("GCC unroll 16")
#endif

// f(0), f(1), ... f(count - 1), each index a constant expression. Costs the compiler more than NABLAS_UNROLL, a
// function for every index: where a kernel has few instances, or the index is needed as a constant.
template <class F, int... i>
NABLAS_INLINE void repeat([[maybe_unused]] F f, std::integer_sequence<int, i...>) {
  (f(std::integral_constant<int, i>{}), ...);
}
template <int count, class F>
NABLAS_INLINE void repeat(F f) {
  repeat(f, std::make_integer_sequence<int, count>{});
}

// Lanes of 16 bytes, within which every instruction set interleaves two vectors by one instruction.
constexpr int group_lanes = 16 / sizeof(T);

// a0 b0 a1 b1 ... from the lower or the upper half of each 16 bytes of a and b.
template <int half, std::size_t... i>
NABLAS_INLINE V interleave(V a, V b, std::index_sequence<i...>) {
  constexpr int group = group_lanes;
  return __builtin_shufflevector(a, b, (i / group * group + half * (group / 2) + i % group / 2 + (i % 2) * lanes)...);
}
template <int half>
NABLAS_INLINE V interleave(V a, V b) {
  return interleave<half>(a, b, std::make_index_sequence<lanes>{});
}

// a's lower (half 0) or upper half, then b's.
template <int half, std::size_t... i>
NABLAS_INLINE V join_halves(V a, V b, std::index_sequence<i...>) {
  return __builtin_shufflevector(a, b, (i % (lanes / 2) + half * (lanes / 2) + i / (lanes / 2) * lanes)...);
}
template <int half>
NABLAS_INLINE V join_halves(V a, V b) {
  return join_halves<half>(a, b, std::make_index_sequence<lanes>{});
}

// a's groups of 16 bytes with even number (half 0) or odd number (half 1), then b's.
template <int half, std::size_t... i>
NABLAS_INLINE V join_alternate(V a, V b, std::index_sequence<i...>) {
  constexpr int group = group_lanes, blocks = lanes / group;
  return __builtin_shufflevector(
      a, b, ((i / group % (blocks > 1 ? blocks / 2 : 1) * 2 + half) * group + i % group + i / (lanes / 2) * lanes)...);
}
template <int half>
NABLAS_INLINE V join_alternate(V a, V b) {
  return join_alternate<half>(a, b, std::make_index_sequence<lanes>{});
}

// Reduces all lanes by halving: combine(combine(0, n/2), combine(n/4, 3n/4)) ...
template <int distance = lanes / 2, class Combine>
NABLAS_INLINE T fold_lanes(V v, Combine combine) {
  if constexpr (distance == 0)
    return v[0];
  else
    return fold_lanes<distance / 2>(combine(v, rotated<distance>(v, std::make_index_sequence<lanes>{})), combine);
}
NABLAS_INLINE V larger(V a, V b) { return a > b || a != a ? a : b; }  // NaN counts as the largest
NABLAS_INLINE T sum_lanes(V v) {
  return fold_lanes(v, [](V a, V b) NABLAS_LAMBDA { return a + b; });
}
NABLAS_INLINE T max_lanes(V v) {
  return fold_lanes(v, [](V a, V b) NABLAS_LAMBDA { return larger(a, b); });
}

// body(load, store) for every vector of [0, count). load(p) and store(p, v) access p at the vector's offset; in the
// last vector they may be partial.
template <class Body>
NABLAS_INLINE void for_each_vector(int64 count, Body body) {
  int64 i = 0;
  for (; i + lanes <= count; i += lanes)
    body([i](const T* p) NABLAS_LAMBDA { return load(p + i); }, [i](T* p, V v) NABLAS_LAMBDA { store(p + i, v); });
  if (const int64 rest = count - i; rest > 0)
    body([i, rest](const T* p) NABLAS_LAMBDA { return load_part(p + i, rest); },
         [i, rest](T* p, V v) NABLAS_LAMBDA { store_part(p + i, v, rest); });
}

}  // namespace
}  // namespace nablas
