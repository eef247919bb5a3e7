// Rows of X from Python: an array, or a sparse matrix in compressed rows.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/buffer.hpp"
#include "bindings/arrays.hpp"
#include "network/pass.hpp"

namespace nablas {

// Integers from 0 to end - 1, shape (count,), as a copy that nobody else can change; ValueError names the first other.
// `what` they are: "columns" or "offsets".
template <class I>
void copy_integers(const py::array& array, int64 count, int64 end, const char* name, const char* what, Buffer<I>& to) {
  const char kind = array.dtype().kind();
  if (kind != 'i' && kind != 'u') type_error(name, "integers", "dtype " + std::string(py::str(array.dtype())));
  check_shape(array, {count}, name);
  to.reserve(count);
  I* const copy = to.data();
  using Unsigned = std::make_unsigned_t<I>;
  const auto last = static_cast<Unsigned>(end - 1);
  const auto converted = [&](const auto* from) {
    // The sign of v | (last - v) is that of v < 0 or v > last, in as few steps as vectors have.
    Unsigned outside = 0;
    bool wrong = false;
    for (int64 k = 0; k < count; ++k) {
      copy[k] = static_cast<I>(from[k]);
      const auto v = static_cast<Unsigned>(copy[k]);
      outside |= v | (last - v);
      if constexpr (sizeof(*from) > sizeof(I)) wrong |= copy[k] != from[k];
    }
    wrong |= static_cast<I>(outside) < 0;
    if (!wrong) return;
    int64 k = 0;
    while (k < count - 1 && copy[k] == from[k] && copy[k] >= 0 && copy[k] < end) ++k;
    value_error(name, end > 0 ? std::string(what) + " from 0 to " + std::to_string(end - 1) : std::string("none"),
                std::to_string(from[k]) + " at index " + std::to_string(k));
  };
  if (is_plain(array) && py::isinstance<py::array_t<std::int32_t>>(array)) {
    converted(static_cast<const std::int32_t*>(array.data()));
  } else {
    const py::array wide = copy_of(PlainArray<int64, py::array::forcecast>::ensure(array), name);
    converted(static_cast<const int64*>(wide.data()));
  }
}

// A sparse matrix, checked by the constructor. The indices are copies, which nobody else can change. The values are
// read in place where they are contiguous; where a row's columns decrease, they are a copy, sorted with the columns:
// terms of the same column stay in their order.
template <class T>
class PySparse {
 public:
  PySparse(py::handle values, py::handle column_indices, py::handle offsets, int64 columns) : values_(values, "data") {
    check_dimensions(values_.array(), 1, "data");
    if (columns < 0 || columns > std::numeric_limits<std::int32_t>::max())
      value_error("columns", "0 to 2147483647", std::to_string(columns));
    const int64 terms = values_.size();
    copy_integers(as_array(column_indices, "indices"), terms, columns, "indices", "columns", columns_);
    const py::array ends = as_array(offsets, "indptr");
    check_dimensions(ends, 1, "indptr");
    const int64 rows = ends.shape(0) - 1;
    if (rows < 0) value_error("indptr", "at least one offset", "none");
    copy_integers(ends, rows + 1, terms + 1, "indptr", "offsets", offsets_);
    if (offsets_.data()[0] != 0 || offsets_.data()[rows] != terms)
      value_error("indptr", "offsets from 0 to " + std::to_string(terms),
                  std::to_string(offsets_.data()[0]) + " to " + std::to_string(offsets_.data()[rows]));
    for (int64 i = 0; i < rows; ++i)
      if (offsets_.data()[i] > offsets_.data()[i + 1])
        value_error("indptr", "offsets that do not decrease", "a decrease at index " + std::to_string(i + 1));
    matrix = {values_.data(), columns_.data(), offsets_.data(), rows, columns};
    if (!is_sorted()) sort();
  }
  SparseMatrix<T> matrix;
  const py::array& values() const { return values_.array(); }

 private:
  bool is_sorted() const {
    std::int32_t steps = 0;  // negative if one of them is
    for (int64 i = 0; i < matrix.rows; ++i)
      for (int64 k = offsets_.data()[i] + 1; k < offsets_.data()[i + 1]; ++k)
        steps |= columns_.data()[k] - columns_.data()[k - 1];
    return steps >= 0;
  }
  void sort() {
    sorted_values_.reserve(values_.size());
    std::copy_n(values_.data(), values_.size(), sorted_values_.data());
    std::vector<std::pair<std::int32_t, T>> row;
    for (int64 i = 0; i < matrix.rows; ++i) {
      const int64 begin = offsets_.data()[i], count = offsets_.data()[i + 1] - begin;
      std::int32_t* const columns = columns_.data() + begin;
      if (std::is_sorted(columns, columns + count)) continue;
      row.resize(count);
      for (int64 k = 0; k < count; ++k) row[k] = {columns[k], sorted_values_.data()[begin + k]};
      std::stable_sort(row.begin(), row.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      for (int64 k = 0; k < count; ++k) columns[k] = row[k].first, sorted_values_.data()[begin + k] = row[k].second;
    }
    matrix.values = sorted_values_.data();
  }

  Input<T> values_;
  Buffer<std::int32_t> columns_;
  Buffer<int64> offsets_;
  Buffer<T> sorted_values_;
};

// X as an array of any real dtype, or as a PySparse of the network's dtype; keeps a reference.
template <class T>
class RowsInput {
 public:
  RowsInput(py::handle x, const char* name) : object_(py::reinterpret_borrow<py::object>(x)) {
    if (!py::isinstance<py::array>(x) && py::isinstance<PySparse<T>>(x)) {  // the cheap check first
      const auto& given = x.cast<const PySparse<T>&>();
      sparse = &given.matrix, values_ = &given.values();
      view = {nullptr, sizeof(T) == 4 ? ElementType::float32 : ElementType::float64, sparse->rows, sparse->columns, 0,
              0};
    } else {
      dense_.emplace(x, name, float_of<T>);
      view = dense_->view;
    }
  }
  AnyMatrix view;
  const SparseMatrix<T>* sparse = nullptr;
  // The array that holds the values, for a check of overlaps.
  const py::array* array() const { return dense_ ? &dense_->array() : values_; }

 private:
  py::object object_;
  const py::array* values_ = nullptr;  // of a sparse matrix
  std::optional<AnyMatrixInput> dense_;
};

}  // namespace nablas
