// Rows of X from Python: an array, or a sparse matrix in compressed rows.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <string>

#include "base/buffer.hpp"
#include "bindings/arrays.hpp"
#include "network/pass.hpp"

namespace nablas {

// A sparse matrix, checked by the constructor. The indices are copies, which nobody else can change; the values are
// read in place where they are contiguous.
template <class T>
class PySparse {
 public:
  PySparse(py::handle values, const py::array& column_indices, const py::array& offsets, int64 columns)
      : values_(values, "data") {
    check_dimensions(values_.array(), 1, "data");
    if (columns < 1 || columns > std::numeric_limits<std::int32_t>::max())
      value_error("columns", "1 to 2147483647", std::to_string(columns));
    const int64 terms = values_.size();
    check_shape(column_indices, {terms}, "indices");
    check_dimensions(offsets, 1, "indptr");
    const int64 rows = offsets.shape(0) - 1;
    if (rows < 0) value_error("indptr", "at least one offset", "none");
    const py::array_t<int64> wide = label_array(column_indices, terms, columns, "indices");
    const py::array_t<int64> ends = label_array(offsets, rows + 1, terms + 1, "indptr");
    column_indices_.reserve(terms);
    offsets_.reserve(rows + 1);
    for (int64 k = 0; k < terms; ++k) column_indices_.data()[k] = static_cast<std::int32_t>(wide.data()[k]);
    std::copy_n(ends.data(), rows + 1, offsets_.data());
    if (offsets_.data()[0] != 0 || offsets_.data()[rows] != terms)
      value_error("indptr", "offsets from 0 to " + std::to_string(terms),
                  std::to_string(offsets_.data()[0]) + " to " + std::to_string(offsets_.data()[rows]));
    for (int64 i = 0; i < rows; ++i) {
      if (offsets_.data()[i] > offsets_.data()[i + 1])
        value_error("indptr", "offsets that do not decrease", "a decrease at index " + std::to_string(i + 1));
      for (int64 k = offsets_.data()[i] + 1; k < offsets_.data()[i + 1]; ++k)
        if (column_indices_.data()[k] < column_indices_.data()[k - 1])
          value_error("indices", "sorted columns in each row", "row " + std::to_string(i) + " unsorted");
    }
    matrix = {values_.data(), column_indices_.data(), offsets_.data(), rows, columns};
  }
  SparseMatrix<T> matrix;

 private:
  Input<T> values_;
  Buffer<std::int32_t> column_indices_;
  Buffer<int64> offsets_;
};

// X as an array of any real dtype, or as a PySparse of the network's dtype; keeps a reference.
template <class T>
class RowsInput {
 public:
  RowsInput(py::handle x, const char* name) : object_(py::reinterpret_borrow<py::object>(x)) {
    if (py::isinstance<PySparse<T>>(x)) {
      sparse = &x.cast<const PySparse<T>&>().matrix;
      view = {nullptr, sizeof(T) == 4 ? ElementType::float32 : ElementType::float64, sparse->rows, sparse->columns, 0,
              0};
    } else {
      dense_.emplace(x, name);
      view = dense_->view;
    }
  }
  AnyMatrix view;
  const SparseMatrix<T>* sparse = nullptr;
  // The array's memory, for a check of overlaps; none for a sparse matrix.
  py::array array(const char* name) const { return sparse != nullptr ? py::array() : as_array(object_, name); }

 private:
  py::object object_;
  std::optional<AnyMatrixInput> dense_;
};

}  // namespace nablas
