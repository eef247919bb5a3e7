// Plain types shared by all directories. No functions here: this header is also included by objects
// that are compiled once per instruction set, and those must not define anything the linker could merge.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nablas {

using int64 = std::int64_t;

// The order of every sum over the depth of a product or over rows: up to longest_sum terms are added from the first to
// the last. A longer sum is cut at multiples of longest_sum, and its n blocks are added as the binary tree
// T(n) = T(p) + T(n - p), p the largest power of two below n. So the error is bounded by
// gamma(longest_sum + ceil(log2(blocks)) + 2), and the order depends on the length alone.
constexpr int64 longest_sum = 4096;

// Half-open range [begin, end) of rows, columns or elements.
struct Range {
  int64 begin, end;
};

// Element types a data matrix may have; the order is that of `Kernels::gather`.
enum class ElementType : int { float32, float64, boolean, uint8, int8, uint16, int16, uint32, int32, uint64, int64 };
constexpr int element_type_count = 11;

// A read-only data matrix of any element type, strides in bytes (any sign, any size, also 0).
struct AnyMatrix {
  const void* data;
  ElementType type;
  int64 rows, columns;
  int64 row_bytes, column_bytes;
};

// A read-only sparse matrix in compressed rows (CSR). Row i has the terms offsets[i] to offsets[i + 1], whose columns
// do not decrease.
template <class T>
struct SparseMatrix {
  const T* values;
  const std::int32_t* column_indices;
  const int64* offsets;  // (rows + 1,)
  int64 rows, columns;
};

// A matrix of scalars with unit column stride; `rs` is the row stride in elements.
template <class T>
struct Matrix {
  T* data;
  int64 rows, columns;
  int64 rs;
};

}  // namespace nablas
