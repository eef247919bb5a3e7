// Loads and stores of a vector's first lanes: the last, partial vector of a row.
//
// x86's masked loads and stores are called by name. From a loop over the lanes GCC makes them only with a copy of the
// vector in memory, and asks at run time whether that overlaps the elements.
#pragma once

#if NABLAS_VECTOR_BYTES > 16
#include <immintrin.h>
#endif

#include "kernels/vector.hpp"

namespace nablas {
namespace {

// The first `count` lanes; the remaining lanes are `rest`, and their elements are not read.
NABLAS_INLINE V load_part(const T* p, int64 count, T rest = 0) {
#if NABLAS_VECTOR_BYTES == 64
  if (is_double) {
    const __mmask8 used = _mm512_cmplt_epi64_mask((__m512i)lane_numbers(), _mm512_set1_epi64(count));
    return (V)_mm512_mask_loadu_pd((__m512d)broadcast(rest), used, p);
  }
  const __mmask16 used = _mm512_cmplt_epi32_mask((__m512i)lane_numbers(), _mm512_set1_epi32(static_cast<int>(count)));
  return (V)_mm512_mask_loadu_ps((__m512)broadcast(rest), used, p);
#elif NABLAS_VECTOR_BYTES == 32
  const VI used = lane_numbers() < static_cast<I>(count);
  const V v = is_double ? (V)_mm256_maskload_pd(reinterpret_cast<const double*>(p), (__m256i)used)
                        : (V)_mm256_maskload_ps(reinterpret_cast<const float*>(p), (__m256i)used);
  return used ? v : broadcast(rest);
#else
  V v = broadcast(rest);
  for (int64 i = 0; i < at_most(count, lanes); ++i) v[i] = p[i];
  return v;
#endif
}

// Stores the first `count` lanes, at most 2 size - 1. Narrower vectors by powers of two: AMD's processors execute a
// masked store of AVX2 as dozens of instructions.
template <int size>
NABLAS_INLINE void store_halves(T* p, V v, int64 count) {
  if constexpr (size > 0) {
    if (count & size) {
      __builtin_memcpy(p, &v, size * sizeof(T));
      p += size;
      v = rotated<size>(v, std::make_index_sequence<lanes>{});
    }
    store_halves<size / 2>(p, v, count);
  }
}
NABLAS_INLINE void store_part(T* p, V v, int64 count) {
#if NABLAS_VECTOR_BYTES == 64
  if (is_double)
    _mm512_mask_storeu_pd(p, _mm512_cmplt_epi64_mask((__m512i)lane_numbers(), _mm512_set1_epi64(count)), (__m512d)v);
  else
    _mm512_mask_storeu_ps(
        p, _mm512_cmplt_epi32_mask((__m512i)lane_numbers(), _mm512_set1_epi32(static_cast<int>(count))), (__m512)v);
#else
  if (count == lanes)
    store(p, v);
  else
    store_halves<lanes / 2>(p, v, count);
#endif
}

}  // namespace
}  // namespace nablas
