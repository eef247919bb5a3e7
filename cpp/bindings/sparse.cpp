// Products with a sparse matrix in compressed rows.
#include "bindings/sparse.hpp"

#include <algorithm>

#include "base/parallel.hpp"
#include "bindings/layers.hpp"
#include "bindings/registry.hpp"
#include "bindings/slices.hpp"
#include "network/dispatch.hpp"
#include "network/team_kernels.hpp"

namespace nablas {
namespace {

// Multiply-adds of a part, between two checks for signals: 50 ms on one thread where rows of W come from memory.
constexpr double sparse_operations_of_part = 1e8;
// Entries of a gradient that are summed at a time over all blocks of rows: bounds the memory of the blocks' sums.
constexpr int64 entries_of_strip = 1 << 22;

// work(part) for parts of the rows [begin, end), each of about sparse_operations_of_part multiply-adds, at least one
// row; signals are checked after each.
template <class T, class Work>
void in_row_parts(const SparseMatrix<T>& x, int64 begin, int64 end, int64 outputs, Work work) {
  const double terms = sparse_operations_of_part / static_cast<double>(std::max<int64>(outputs, 1));
  while (begin < end) {
    const auto heavier = [&](int64 row, double most) {
      return static_cast<double>(x.offsets[row] - x.offsets[begin] + row - begin) > most;
    };
    int64 low = begin + 1, high = end;  // the last row that is not heavier than `terms`
    while (low < high) {
      const int64 middle = low + (high - low + 1) / 2;
      if (heavier(middle, terms))
        high = middle - 1;
      else
        low = middle;
    }
    work(Range{begin, low});
    begin = low;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
}

// body(team) without the GIL, on threads for the multiply-adds of the given rows.
template <class T, class Body>
void run(const SparseMatrix<T>& x, Range rows, int64 outputs, Body body) {
  const double terms = static_cast<double>(x.offsets[rows.end] - x.offsets[rows.begin] + rows.end - rows.begin);
  const GilReleased release;
  parallel(threads_for_call(terms * static_cast<double>(outputs)), body);
}

py::array sparse_forward(py::handle data, py::handle indices, py::handle indptr, py::handle weights_object,
                         py::handle activation, py::handle out, py::handle preactivation_out) {
  const py::array values = as_array(data, "data");
  const int index = activation_index(activation);
  return visit_float(float_type(values, "data"), [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    const Input<T> weights(weights_object, "weights");
    check_weights(weights);
    const PySparse<T> sparse(values, indices, indptr, weights.rows() - 1);
    const SparseMatrix<T>& x = sparse.matrix;
    const int64 n = weights.columns();
    LayerResult<T> result(out, preactivation_out, {x.rows, n}, {&sparse.values(), &weights.array()});
    const Kernels<T>& kernel = kernels<T>();
    T* const to = result.data();
    T* const preactivation = result.preactivation();
    in_row_parts(x, 0, n == 0 ? 0 : x.rows, n, [&](Range part) {
      run(x, part, n, [&](const Team& team) {
        const Range own = team.share(part.end - part.begin, loss_rows);
        const int64 count = own.end - own.begin, at = (part.begin + own.begin) * n;
        kernel.sparse_product(x, nullptr, part.begin, own, weights.data(), weights.data() + n, n, to + part.begin * n);
        if (preactivation != nullptr) std::copy_n(to + at, count * n, preactivation + at);
        if (index != 0) kernel.activations[index].value({to + at, count, n, n}, to + at, n);
      });
    });
    return result.finish();
  });
}

// The gradient's rows for some features: sums over the rows of x in blocks of longest_sum, which are added as a binary
// tree (base/types.hpp).
template <class T>
class Strip {
 public:
  Strip(const SparseMatrix<T>& x, const Matrix<const T>& delta, Range features)
      : x_(x), delta_(delta), features_(features), count_((features.end - features.begin) * delta.columns) {}

  // To `to`, of shape (features, outputs).
  void sum(T* to) {
    const int64 blocks = (x_.rows + longest_sum - 1) / longest_sum;
    for (int64 number = 1, top = 0; number <= blocks; ++number) {
      if (partial_.size() <= static_cast<std::size_t>(top)) partial_.emplace_back(blocks > 1 ? count_ : 0);
      T* block = blocks > 1 ? partial_[top].data() : to;
      add_block(Range{(number - 1) * longest_sum, std::min(number * longest_sum, x_.rows)}, block);
      ++top;
      const auto add_last_two = [&] { add(partial_[top - 1].data(), partial_[top - 2].data()), --top; };
      for (int64 done = number; done % 2 == 0; done /= 2) add_last_two();
      if (number == blocks && blocks > 1) {
        while (top > 1) add_last_two();
        std::copy_n(partial_[0].data(), count_, to);
      }
    }
  }

 private:
  // The sum over the given rows, at most longest_sum.
  void add_block(Range rows, T* block) {
    in_row_parts(x_, rows.begin, rows.end, delta_.columns, [&](Range part) {
      const Matrix<const T> delta{delta_.data + part.begin * delta_.rs, part.end - part.begin, delta_.columns,
                                  delta_.rs};
      run(x_, part, delta_.columns, [&](const Team& team) {
        const Range own = team.share(features_.end - features_.begin);
        kernels<T>().sparse_gradient(x_, nullptr, part.begin, {features_.begin + own.begin, features_.begin + own.end},
                                     delta, block + own.begin * delta_.columns, delta_.columns,
                                     part.begin > rows.begin);
      });
    });
  }
  void add(const T* right, T* left) {  // the right sum is of later rows
    const GilReleased release;
    parallel(threads_for_call(static_cast<double>(count_)), [&](const Team& team) {
      const Range own = team.share(count_, element_grain);
      kernels<T>().add_scaled(T(1), right + own.begin, left + own.begin, own.end - own.begin);
    });
  }

  const SparseMatrix<T>& x_;
  const Matrix<const T>& delta_;
  const Range features_;
  const int64 count_;
  std::vector<Buffer<T>> partial_;
};

py::array sparse_gradient(py::handle data, py::handle indices, py::handle indptr, py::handle delta_object,
                          py::handle inputs_object, py::handle out) {
  const py::array values = as_array(data, "data");
  const int64 inputs = static_cast<int64>(integer_argument(inputs_object, "inputs", 0, 2147483647));
  return visit_float(float_type(values, "data"), [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    const PySparse<T> sparse(values, indices, indptr, inputs);
    const Input<T> delta_array(delta_object, "delta");
    check_dimensions(delta_array.array(), 2, "delta");
    const int64 rows = sparse.matrix.rows, n = delta_array.columns();
    check_shape(delta_array.array(), {rows, n}, "delta");
    Result<T> result(out, {inputs + 1, n}, "out", {&sparse.values(), &delta_array.array()});
    T* const to = result.data();
    if (rows == 0 || n == 0) {
      std::fill_n(to, (inputs + 1) * n, T(0));
      return result.finish();
    }
    const Matrix<const T> delta = delta_array.matrix();
    {
      const GilReleased release;
      kernels<T>().column_sums(delta, {0, n}, to, false);
    }
    const int64 strip = std::max<int64>(1, entries_of_strip / n);
    for (int64 begin = 0; begin < inputs; begin += strip)
      Strip<T>(sparse.matrix, delta, {begin, std::min(begin + strip, inputs)}).sum(to + (begin + 1) * n);
    return result.finish();
  });
}

}  // namespace

void bind_sparse(py::module_& m) {
  m.def("sparse_forward", &sparse_forward, py::arg("data"), py::arg("indices"), py::arg("indptr"), py::arg("weights"),
        py::arg("activation") = "identity", py::kw_only(), py::arg("out") = py::none(),
        py::arg("preactivation_out") = py::none(),
        R"(sparse_forward(data, indices, indptr, weights, activation="identity", *, out=None, preactivation_out=None)
--

A dense layer on sparse rows: ``g(x W + b)``, x in compressed rows (CSR).

Row i of x has the values ``data[indptr[i]:indptr[i + 1]]`` in the columns ``indices[indptr[i]:indptr[i + 1]]``, as
in SciPy's ``csr_array``.

Parameters
----------
data : array of shape (terms,)
indices : array of int, shape (terms,)
    Columns, from 0 to inputs - 1, of any integer dtype, in any order; values of one column are added.
indptr : array of int, shape (n + 1,)
    Offsets that do not decrease, from 0 to the number of terms.
weights : array of shape (inputs + 1, outputs)
    Row 0 is the bias.
activation : str
    A registered activation, see ``nablas.activations()``.
out, preactivation_out : arrays of shape (n, outputs), optional
    Receive the activation and ``z = x W + b``.

Returns
-------
array of shape (n, outputs)
    The bits of `dense_forward` of the dense rows, but for signs of zeros, columns given twice, and weights that are not
    finite: a term that is not stored is left out, not multiplied by 0. They do not depend on the threads.

Raises
------
ValueError
    For shapes that do not match, a column or an offset out of range (names it), offsets that decrease, unknown names.
TypeError
    For other dtypes.

Examples
--------
>>> weights = np.array([[0.5], [1.0], [2.0]])
>>> nb.kernels.sparse_forward(np.array([3.0]), [1], [0, 1, 1], weights, "relu")  # rows (0, 3) and (0, 0)
array([[6.5],
       [0.5]]))");
  m.def("sparse_gradient", &sparse_gradient, py::arg("data"), py::arg("indices"), py::arg("indptr"), py::arg("delta"),
        py::arg("inputs"), py::kw_only(), py::arg("out") = py::none(),
        R"(sparse_gradient(data, indices, indptr, delta, inputs, *, out=None)
--

The gradient of a dense layer's weights for sparse rows x in compressed rows (CSR).

Parameters
----------
data, indices, indptr : arrays
    x, as `sparse_forward` takes it.
delta : array of shape (n, outputs)
    The loss's derivative with respect to the layer's preactivation.
inputs : int
    Columns of x.
out : array of shape (inputs + 1, outputs), optional

Returns
-------
array of shape (inputs + 1, outputs)
    Row 0: column sums of delta; below: ``x^T delta``. The bits of `dense_backward` of the dense rows, with the
    exceptions of `sparse_forward`.

Raises
------
ValueError
    For shapes that do not match, a column or an offset out of range (names it), offsets that decrease.
TypeError
    For other dtypes.

Examples
--------
>>> delta = np.array([[0.1], [0.2]])
>>> nb.kernels.sparse_gradient(np.array([3.0]), [1], [0, 1, 1], delta, 2).ravel().round(4).tolist()
[0.3, 0.0, 0.3])");
}

}  // namespace nablas
