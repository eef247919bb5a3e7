// The scalar and vector types of the object being compiled, and loops over arrays in whole vectors.
//
// NABLAS_SCALAR (float or double) and NABLAS_VECTOR_BYTES come from CMake. Vectors are the compiler's own
// (GCC and Clang vector extensions): arithmetic, comparisons and ?: work elementwise. A loop's last, partial
// vector is padded, so every element goes through the same vector instructions wherever it stands.
#pragma once

#include <utility>

#include "base/types.hpp"

namespace nablas {
namespace {

using T = NABLAS_SCALAR;
constexpr bool is_double = sizeof(T) == 8;

template <class S>
struct IntegerLike;
template <>
struct IntegerLike<float> {
  using type = std::int32_t;
};
template <>
struct IntegerLike<double> {
  using type = std::int64_t;
};
using I = IntegerLike<T>::type;

typedef T V __attribute__((vector_size(NABLAS_VECTOR_BYTES)));
typedef I VI __attribute__((vector_size(NABLAS_VECTOR_BYTES)));
constexpr int lanes = NABLAS_VECTOR_BYTES / sizeof(T);

#define NABLAS_INLINE inline __attribute__((always_inline))
#define NABLAS_LAMBDA __attribute__((always_inline))

NABLAS_INLINE V broadcast(T x) { return x - V{}; }
NABLAS_INLINE VI bits(V x) { return (VI)x; }
NABLAS_INLINE V from_bits(VI x) { return (V)x; }

NABLAS_INLINE V load(const T* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
NABLAS_INLINE void store(T* p, V v) { __builtin_memcpy(p, &v, sizeof v); }
// The first `count` lanes. Written so that the compiler sees a masked load or store where there is one.
NABLAS_INLINE V load_part(const T* p, int64 count) {
  T values[lanes];
  const I used = static_cast<I>(count);
  for (I i = 0; i < lanes; ++i) values[i] = i < used ? p[i] : T(0);
  return load(values);
}
NABLAS_INLINE void store_part(T* p, V v, int64 count) {
  T values[lanes];
  store(values, v);
  const I used = static_cast<I>(count);
  for (I i = 0; i < lanes; ++i)
    if (i < used) p[i] = values[i];
}

// a0 b0 a1 b1 ... of the lower or the upper halves.
template <std::size_t... i>
NABLAS_INLINE V interleave_low(V a, V b, std::index_sequence<i...>) {
  return __builtin_shufflevector(a, b, (i / 2 + (i % 2) * lanes)...);
}
template <std::size_t... i>
NABLAS_INLINE V interleave_high(V a, V b, std::index_sequence<i...>) {
  return __builtin_shufflevector(a, b, (lanes / 2 + i / 2 + (i % 2) * lanes)...);
}
NABLAS_INLINE V interleave_low(V a, V b) { return interleave_low(a, b, std::make_index_sequence<lanes>{}); }
NABLAS_INLINE V interleave_high(V a, V b) { return interleave_high(a, b, std::make_index_sequence<lanes>{}); }

// Sum and maximum of the lanes, in a fixed order.
NABLAS_INLINE T sum_lanes(V v) {
  T s = v[0];
  for (int i = 1; i < lanes; ++i) s += v[i];
  return s;
}
NABLAS_INLINE T max_lanes(V v) {
  T m = v[0];
  for (int i = 1; i < lanes; ++i) m = v[i] > m || v[i] != v[i] ? v[i] : m;
  return m;
}

// body(offset, load, store) for every vector of [0, count): `load` and `store` are whole or partial.
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
