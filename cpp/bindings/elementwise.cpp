// Elementwise functions: exp, log, ..., activations, slopes, the Hadamard delta product, row gather.
#include "bindings/arrays.hpp"
#include "bindings/registry.hpp"
#include "bindings/slices.hpp"
#include "network/team_kernels.hpp"

namespace nablas {
namespace {

// Approximate cost of a transcendental function per element, in multiply-adds (threads_for); elements from which the
// GIL is released.
constexpr double operations_each = 10;
constexpr int64 elements_to_release = 8192;

template <class Body>
void run(int64 count, Body body) {
  in_parts(count, elements_between_signals, [&](Range part) {
    const int64 length = part.end - part.begin;
    const auto work = [&] {
      parallel(threads_for_call(operations_each * length), [&](const Team& team) {
        const Range own = team.share(length, element_grain);
        body(Range{part.begin + own.begin, part.begin + own.end});
      });
    };
    if (length < elements_to_release) {
      work();
    } else {
      const GilReleased release;
      work();
    }
  });
}

// out = f(x) for an array of any shape; kernel_of(T{}) returns the kernel, (const T* x, T* out, count).
template <class F>
py::array map(py::handle object, const char* name, py::handle out, F kernel_of) {
  const py::array array = as_array(object, name);
  return visit_float(float_type(array, name), [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    const Input<T> x(array, name);
    Result<T> result(out, Shape(x.array()), "out", {}, {&x.array()});
    const auto kernel = kernel_of(scalar);
    run(x.size(), [&](Range own) {
      if (own.begin < own.end) kernel(x.data() + own.begin, result.data() + own.begin, own.end - own.begin);
    });
    return result.finish();
  });
}

template <class T>
Matrix<const T> line(const T* data, int64 count) {
  return {data, 1, count, count};
}

py::array activate(py::handle z, py::handle activation, py::handle out) {
  const int index = activation_index(activation);
  return map(z, "z", out, [index](auto scalar) {
    using T = decltype(scalar);
    return [index](const T* from, T* to, int64 count) {
      kernels<T>().activations[index].value(line(from, count), to, count);
    };
  });
}

py::array slope(py::handle kept, py::handle activation, py::handle out) {
  const int index = activation_index(activation);
  return map(kept, "kept", out, [index](auto scalar) {
    using T = decltype(scalar);
    return [index](const T* from, T* to, int64 count) {
      kernels<T>().activations[index].slope(line(from, count), to, count);
    };
  });
}

py::array hadamard_delta(py::handle delta_object, py::handle kept_object, py::handle activation, py::handle out) {
  const int index = activation_index(activation);
  const py::array array = as_array(delta_object, "delta");
  return visit_float(float_type(array, "delta"), [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    const Input<T> delta(array, "delta");
    const Input<T> kept = Input<T>(kept_object, "kept").expect(Shape(array), "kept");
    Result<T> result(out, Shape(array), "out", {&kept.array()}, {&delta.array()});
    T* const to = result.data();
    run(delta.size(), [&](Range own) {
      const int64 count = own.end - own.begin;
      if (count <= 0) return;
      if (to != delta.data()) std::copy_n(delta.data() + own.begin, count, to + own.begin);
      kernels<T>().activations[index].multiply_slope(line(kept.data() + own.begin, count), to + own.begin, count);
    });
    return result.finish();
  });
}

py::array gather_rows(py::handle x_object, py::handle indices_object, py::handle dtype, py::handle out) {
  const py::array x_array = as_array(x_object, "x");
  const bool wide = x_array.dtype().kind() == 'f' && x_array.itemsize() == sizeof(double);
  const py::dtype type = dtype.is_none() ? py::dtype(wide ? "float64" : "float32") : dtype_argument(dtype, "dtype");
  if (type.kind() != 'f' || (type.itemsize() != 4 && type.itemsize() != 8))
    type_error("dtype", "float32 or float64", py::str(type));
  const Float element = type.itemsize() == 4 ? Float::float32 : Float::float64;
  const AnyMatrixInput x(x_array, "x", element);
  const py::array index_array = as_array(indices_object, "indices");
  check_dimensions(index_array, 1, "indices");
  if (index_array.dtype().kind() == 'b') type_error("indices", "integers", "dtype bool (np.flatnonzero gives them)");
  const py::array_t<int64> indices =
      label_array(index_array, index_array.shape(0), x.view.rows, "indices", "row numbers");
  return visit_float(element, [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    const int64 count = indices.shape(0), columns = x.view.columns;
    Result<T> result(out, {count, columns}, "out", {&x_array, &indices});
    T* const data = result.data();
    in_parts(count, rows_of_part(columns), [&](Range part) {
      const int64 length = part.end - part.begin;
      const GilReleased release;
      parallel(threads_for_call(static_cast<double>(length) * columns), [&](const Team& team) {
        const Range own = team.share(length);
        const int64 begin = part.begin + own.begin;
        kernels<T>().gather[static_cast<int>(x.view.type)](x.view, indices.data(), begin, own.end - own.begin, 0,
                                                           data + begin * columns, columns);
      });
    });
    return result.finish();
  });
}

}  // namespace

void bind_elementwise(py::module_& m) {
  const auto& table = any_kernels<float>();
  for (int i = 0; i < table.unary_count; ++i) {
    const std::string name = table.unary[i].name;
    const std::string doc = name + "(x, *, out=None)\n--\n\n``" + name +
                            R"(`` of every entry, within 4 units in the last place of the true value.

Parameters
----------
x : array of float32 or float64
out : array of x's shape, optional
    May be `x` itself.

Returns
-------
array of x's shape and dtype

Raises
------
ValueError, TypeError
    For shapes that do not match, or other dtypes.

Examples
--------
>>> x = np.array([0.5, 1.0, 2.0])
>>> y = nb.kernels.)" + name +
                            R"((x)
>>> np.array_equal(nb.kernels.)" +
                            name + R"((x, out=x), y)  # in place, without a new array
True)";
    m.def(
        name.c_str(),
        [i](py::handle x, py::handle out) {
          return map(x, "x", out, [i](auto scalar) { return kernels<decltype(scalar)>().unary[i].apply; });
        },
        py::arg("x"), py::kw_only(), py::arg("out") = py::none(), doc.c_str());
  }
  m.def("activate", &activate, py::arg("z"), py::arg("activation"), py::kw_only(), py::arg("out") = py::none(),
        R"(activate(z, activation, *, out=None)
--

``a = g(z)``, entry by entry.

Parameters
----------
z : array of float32 or float64
activation : str
    A registered activation, see ``nablas.activations()``.
out : array of z's shape, optional
    May be `z` itself.

Returns
-------
array of z's shape and dtype
    The errors in units in the last place are in docs/accuracy.md.

Raises
------
ValueError, TypeError
    For shapes that do not match, unknown names, or other dtypes.

Examples
--------
>>> nb.kernels.activate(np.array([-1.0, 2.0]), "relu")
array([0., 2.]))");
  m.def("slope", &slope, py::arg("kept"), py::arg("activation"), py::kw_only(), py::arg("out") = py::none(),
        R"(slope(kept, activation, *, out=None)
--

``g'(z)`` as a function of the value that the forward pass keeps.

Parameters
----------
kept : array of float32 or float64
    The activation's output ``a = g(z)``; for those that ``nablas.activations()`` marks "preactivation",
    the preactivation z.
activation : str
out : array of kept's shape, optional
    May be `kept` itself.

Returns
-------
array of kept's shape and dtype

Raises
------
ValueError, TypeError
    For shapes that do not match, unknown names, or other dtypes.

Examples
--------
>>> nb.kernels.slope(np.array([0.0, 0.5]), "tanh")  # 1 - a^2
array([1.  , 0.75]))");
  m.def("hadamard_delta", &hadamard_delta, py::arg("delta"), py::arg("kept"), py::arg("activation"), py::kw_only(),
        py::arg("out") = py::none(),
        R"(hadamard_delta(delta, kept, activation, *, out=None)
--

``delta * g'(z)``, the Hadamard product of backpropagation.

Parameters
----------
delta : array of float32 or float64
    The loss's derivative with respect to the activation ``a = g(z)``.
kept : array of delta's shape
    As in `slope`.
activation : str
out : array of delta's shape, optional
    May be `delta` itself.

Returns
-------
array of delta's shape and dtype
    The loss's derivative with respect to z.

Raises
------
ValueError, TypeError
    For shapes that do not match, unknown names, or other dtypes.

Examples
--------
>>> nb.kernels.hadamard_delta(np.array([0.2, 0.2]), np.array([0.0, 0.5]), "tanh")
array([0.2 , 0.15]))");
  m.def("gather_rows", &gather_rows, py::arg("x"), py::arg("indices"), py::kw_only(), py::arg("dtype") = py::none(),
        py::arg("out") = py::none(),
        R"(gather_rows(x, indices, *, dtype=None, out=None)
--

``x[indices]`` converted to floating point in the same pass.

Parameters
----------
x : array of shape (n, columns)
    Any real dtype, any strides.
indices : array of int, shape (m,)
    Each from 0 to n - 1.
dtype : float32 or float64, optional
    Default: float64 for float64 `x`, else float32.
out : array of shape (m, columns), optional

Returns
-------
array of shape (m, columns)

Raises
------
ValueError
    For an index out of range; names it.
TypeError
    For a dtype that is not real, or indices that are not integers.

Examples
--------
>>> nb.kernels.gather_rows(np.arange(6).reshape(3, 2), [2, 0])
array([[4., 5.],
       [0., 1.]], dtype=float32))");
}

}  // namespace nablas
