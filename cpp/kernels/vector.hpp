// The scalar and vector types of the object being compiled.
//
// NABLAS_SCALAR (float or double) and NABLAS_VECTOR_BYTES come from CMake. Vectors are the compiler's own
// (GCC and Clang vector extensions): arithmetic, comparisons and ?: work elementwise.
#pragma once

#include <type_traits>
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
  using word = std::uint32_t;
};
template <>
struct IntegerLike<double> {
  using type = std::int64_t;
  using word = std::uint64_t;
};
using I = IntegerLike<T>::type;

typedef T V __attribute__((vector_size(NABLAS_VECTOR_BYTES)));
typedef I VI __attribute__((vector_size(NABLAS_VECTOR_BYTES)));
typedef IntegerLike<T>::word VW __attribute__((vector_size(NABLAS_VECTOR_BYTES)));  // modulo 2^w, for any bits
constexpr int lanes = NABLAS_VECTOR_BYTES / sizeof(T);

constexpr int64 at_most(int64 x, int64 limit) { return x < limit ? x : limit; }
constexpr int64 at_least(int64 x, int64 limit) { return x > limit ? x : limit; }

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

template <std::size_t... i>
NABLAS_INLINE VI lane_numbers(std::index_sequence<i...>) {
  return VI{static_cast<I>(i)...};
}
NABLAS_INLINE VI lane_numbers() { return lane_numbers(std::make_index_sequence<lanes>{}); }
// The first `count` lanes of v, the remaining lanes of `rest`.
NABLAS_INLINE V keep_part(V v, int64 count, V rest) { return lane_numbers() < static_cast<I>(count) ? v : rest; }

// Lane i of the result is lane (i + distance) % lanes of v.
template <int distance, std::size_t... i>
NABLAS_INLINE V rotated(V v, std::index_sequence<i...>) {
  return __builtin_shufflevector(v, v, ((i + distance) % lanes)...);
}

}  // namespace
}  // namespace nablas
