// Elementwise functions, reductions, row gather and dropout; contracts in table.hpp.
#pragma once

#include "base/philox.hpp"
#include "kernels/activations.hpp"

namespace nablas {
namespace {

struct ExpFunction {
  static constexpr const char* name = "exp";
  static NABLAS_INLINE V value(V x) { return exp(x); }
};
struct LogFunction {
  static constexpr const char* name = "log";
  static NABLAS_INLINE V value(V x) { return log(x); }
};
struct TanhFunction {
  static constexpr const char* name = "tanh";
  static NABLAS_INLINE V value(V x) { return tanh(x); }
};
struct SigmoidFunction {
  static constexpr const char* name = "sigmoid";
  static NABLAS_INLINE V value(V x) { return sigmoid(x); }
};
struct ErfFunction {
  static constexpr const char* name = "erf";
  static NABLAS_INLINE V value(V x) { return erf(x); }
};

template <class F>
constexpr UnaryEntry<T> unary_entry() {
  return {F::name, [](const T* x, T* y, int64 count) {
            for_each_vector(count, [&](auto from, auto to) NABLAS_LAMBDA { to(y, F::value(from(x))); });
          }};
}
constexpr UnaryEntry<T> unary_entries[] = {unary_entry<ExpFunction>(), unary_entry<LogFunction>(),
                                           unary_entry<TanhFunction>(), unary_entry<SigmoidFunction>(),
                                           unary_entry<ErfFunction>()};

void multiply(const T* x, const T* y, T* out, int64 count) {
  for_each_vector(count, [&](auto from, auto to) NABLAS_LAMBDA { to(out, from(x) * from(y)); });
}

void add_scaled(T scale, const T* x, T* y, int64 count) {
  for_each_vector(count, [&](auto from, auto to) NABLAS_LAMBDA { to(y, from(y) + from(x) * scale); });
}

double sum_of_squares(const T* x, int64 count) {
  constexpr int64 piece = 64 * lanes;  // short sums in T, their total in double
  double total = 0;
  for (int64 i = 0; i < count; i += piece) {
    V sum{};
    for_each_vector(count - i < piece ? count - i : piece, [&](auto from, auto) NABLAS_LAMBDA {
      const V v = from(x + i);
      sum += v * v;
    });
    for (int lane = 0; lane < lanes; ++lane) total += sum[lane];
  }
  return total;
}

bool all_finite(const T* x, int64 count) {
  V sum{};
  for_each_vector(count, [&](auto from, auto) NABLAS_LAMBDA { sum += from(x) * T(0); });
  return sum_lanes(sum) == T(0);
}

// Element reads go through memcpy: a source may be misaligned.
template <class S>
void gather(const Source& source, const int64* indices, int64 first, int64 count, T* out, int64 out_row) {
  for (int64 i = 0; i < count; ++i) {
    const char* row = static_cast<const char*>(source.data) +
                      (indices != nullptr ? indices[first + i] : first + i) * source.row_bytes;
    T* to = out + i * out_row;
    if (source.column_bytes == sizeof(S)) {
      if constexpr (sizeof(S) == sizeof(T) && S(0.5) != S(0)) {
        __builtin_memcpy(to, row, source.columns * sizeof(T));
      } else {
        for (int64 j = 0; j < source.columns; ++j) {
          S x;
          __builtin_memcpy(&x, row + j * sizeof(S), sizeof x);
          to[j] = static_cast<T>(x);
        }
      }
    } else {
      for (int64 j = 0; j < source.columns; ++j) {
        S x;
        __builtin_memcpy(&x, row + j * source.column_bytes, sizeof x);
        to[j] = static_cast<T>(x);
      }
    }
  }
}

void dropout(const Matrix<const T>& x, T* out, int64 out_row, int64 first_row, const DropoutKey& key) {
  const T scale = T(1 / (1 - key.rate));
  const std::uint64_t threshold = static_cast<std::uint64_t>(key.rate * 0x1p32);
  for (int64 i = 0; i < x.rows; ++i) {
    const std::uint64_t row_start = static_cast<std::uint64_t>(first_row + i) * x.columns;
    PhiloxBlock block{};
    for (int64 j = 0; j < x.columns; ++j) {
      const std::uint64_t index = row_start + j;
      if (j == 0 || index % 4 == 0)
        block = philox(key.seed, index / 4, static_cast<std::uint32_t>(key.step), stream_dropout + key.layer);
      out[i * out_row + j] = block.word[index % 4] < threshold ? T(0) : x.data[i * x.row + j] * scale;
    }
  }
}

}  // namespace
}  // namespace nablas
