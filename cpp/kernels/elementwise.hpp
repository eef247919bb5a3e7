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

void add_scaled(T scale, const T* x, T* y, int64 count) {
  for_each_vector(count, [&](auto from, auto to) NABLAS_LAMBDA { to(y, from(y) + from(x) * scale); });
}

struct SquareTerm {
  static NABLAS_INLINE V value(V x) { return x * x; }
};
struct MagnitudeTerm {
  static NABLAS_INLINE V value(V x) { return absolute(x); }
};

template <class Term>
double sum_of(const T* x, int64 count) {
  constexpr int64 piece = 64 * lanes;  // partial sums in T, the total in double
  double total = 0;
  for (int64 i = 0; i < count; i += piece) {
    V sum{};
    for_each_vector(count - i < piece ? count - i : piece,
                    [&](auto from, auto) NABLAS_LAMBDA { sum += Term::value(from(x + i)); });
    for (int lane = 0; lane < lanes; ++lane) total += sum[lane];
  }
  return total;
}

// Copies rows of fewer than 2 size elements, each by two moves that may overlap. prefetch_next() comes before each.
template <int size, class Row, class Prefetch>
NABLAS_INLINE void copy_short_rows(const Row& row, const Prefetch& prefetch_next, int64 count, int64 columns, T* out,
                                   int64 out_rs) {
  if constexpr (size > 1) {
    if (columns < size) return copy_short_rows<size / 2>(row, prefetch_next, count, columns, out, out_rs);
  }
  for (int64 i = 0; i < count; ++i) {
    prefetch_next();
    const T* const from = reinterpret_cast<const T*>(row(i));  // memcpy: it may be misaligned
    T* const to = out + i * out_rs;
    __builtin_memcpy(to, from, size * sizeof(T));
    __builtin_memcpy(to + columns - size, from + columns - size, size * sizeof(T));
  }
}

// Copies a row of at least `lanes` elements of type T.
NABLAS_INLINE void copy_row(const char* row, int64 columns, T* to) {
  constexpr int64 few_vectors = 8;
  if (columns > few_vectors * lanes) {
    __builtin_memcpy(to, row, columns * sizeof(T));
    return;
  }
  const T* const from = reinterpret_cast<const T*>(row);  // `load` needs no alignment
  for (int64 j = 0; j < columns - lanes; j += lanes) store(to + j, load(from + j));
  store(to + columns - lanes, load(from + columns - lanes));
}

// Converts a row, `step` bytes between elements. Reads go through memcpy: the source may be misaligned.
template <class S>
NABLAS_INLINE void convert_row(const char* row, int64 step, int64 columns, T* to) {
  for (int64 j = 0; j < columns; ++j) {
    if constexpr (std::is_same_v<S, bool>) {
      to[j] = row[j * step] != 0;  // a view of other memory may hold any byte
    } else {
      S x;
      __builtin_memcpy(&x, row + j * step, sizeof x);
      to[j] = static_cast<T>(x);
    }
  }
}

template <class S>
void gather(const AnyMatrix& x, const int64* indices, int64 first, int64 count, int64 ahead, T* out, int64 out_rs) {
  const auto row = [&](int64 i) NABLAS_LAMBDA {
    return static_cast<const char*>(x.data) + (indices != nullptr ? indices[first + i] : first + i) * x.row_bytes;
  };
  constexpr bool same_type = sizeof(S) == sizeof(T) && S(0.5) != S(0);
  if (x.columns == 0) return;
  // Shuffled rows are not adjacent in memory. While a row is copied, the one that comes `bytes_ahead` later is
  // prefetched to L2, which takes more requests at a time than L1. After this block's last row comes the next block's
  // first.
  constexpr int64 line = 64, bytes_ahead = 256 * line;
  const int64 bytes = x.columns * sizeof(S);
  const bool prefetches = ahead > 0 && count > 0 && indices != nullptr && x.column_bytes == sizeof(S);
  const int64 distance = bytes_ahead / bytes + 1;
  int64 place = prefetches ? distance % count : 0, prefetched = prefetches ? distance / count * ahead + place : 0;
  const auto prefetch_next = [&]() NABLAS_LAMBDA {
    if (!prefetches) return;
    if (first + prefetched < x.rows) {
      const char* const from = row(prefetched);
      for (int64 at = 0; at < bytes - 1; at += line) __builtin_prefetch(from + at, 0, 2);
      __builtin_prefetch(from + bytes - 1, 0, 2);
    }
    ++prefetched;
    if (++place == count) place = 0, prefetched += ahead - count;
  };
  if (same_type && x.column_bytes == sizeof(S) && x.columns < lanes)
    return copy_short_rows<lanes / 2>(row, prefetch_next, count, x.columns, out, out_rs);
  for (int64 i = 0; i < count; ++i) {
    T* const to = out + i * out_rs;
    prefetch_next();
    if (same_type && x.column_bytes == sizeof(S))
      copy_row(row(i), x.columns, to);
    else if (x.column_bytes == sizeof(S))
      convert_row<S>(row(i), sizeof(S), x.columns, to);
    else
      convert_row<S>(row(i), x.column_bytes, x.columns, to);
  }
}

// Philox on one block per 64-bit lane of a vector; the same numbers as base/philox.hpp.
void random_words(std::uint64_t seed, std::uint64_t first, int64 blocks, std::uint32_t step, std::uint32_t stream,
                  std::uint32_t* out) {
  typedef std::uint64_t W __attribute__((vector_size(NABLAS_VECTOR_BYTES)));
  constexpr int width = NABLAS_VECTOR_BYTES / 8;
  constexpr std::uint64_t low = 0xFFFFFFFFu;
  W lane{};
  for (int i = 0; i < width; ++i) lane[i] = i;
  for (int64 b = 0; b < blocks; b += width) {
    const W index = lane + (first + b);
    W c0 = index & low, c1 = index >> 32, c2 = W{} + step, c3 = W{} + stream;
    std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      const W p0 = c0 * 0xD2511F53u, p1 = c2 * 0xCD9E8D57u;
      c0 = (p1 >> 32) ^ c1 ^ k0;
      c2 = (p0 >> 32) ^ c3 ^ k1;
      c1 = p1 & low;
      c3 = p0 & low;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    const W first_half = c0 | c1 << 32, second_half = c2 | c3 << 32;  // little-endian pairs of words
    const int64 used = at_most(blocks - b, width);
    std::uint64_t pairs[2 * width];
    NABLAS_UNROLL
    for (int i = 0; i < 2 * width; ++i) pairs[i] = i % 2 == 0 ? first_half[i / 2] : second_half[i / 2];
    if (used == width)  // a constant size: vectors are stored
      __builtin_memcpy(out + 4 * b, pairs, sizeof pairs);
    else
      __builtin_memcpy(out + 4 * b, pairs, used * 2 * sizeof(std::uint64_t));
  }
}

void dropout(const Matrix<const T>& x, T* out, int64 out_rs, int64 first_row, const DropoutKey& key) {
  constexpr int64 blocks = 64, words_at_once = 4 * blocks;
  const T scale = T(1 / (1 - key.rate));
  const std::uint32_t threshold = static_cast<std::uint32_t>(key.rate * 0x1p32);  // rate < 1
  std::uint32_t words[words_at_once];
  for (int64 i = 0; i < x.rows; ++i) {
    const std::uint64_t start = static_cast<std::uint64_t>(first_row + i) * x.columns;
    for (int64 j = 0; j < x.columns;) {
      const int64 skip = static_cast<int64>((start + j) % 4);
      const int64 rest = x.columns - j, count = rest < words_at_once - skip ? rest : words_at_once - skip;
      random_words(key.seed, (start + j) / 4, (skip + count + 3) / 4, static_cast<std::uint32_t>(key.step),
                   stream_dropout + key.layer, words);
      const T* from = x.data + i * x.rs + j;
      T* to = out + i * out_rs + j;
      for (int64 q = 0; q < count; ++q) to[q] = words[skip + q] < threshold ? T(0) : from[q] * scale;
      j += count;
    }
  }
}

}  // namespace
}  // namespace nablas
