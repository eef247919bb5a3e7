// matmul, dense layers and softmax.
#include "bindings/layers.hpp"
#include "bindings/registry.hpp"
#include "bindings/slices.hpp"
#include "network/team_kernels.hpp"

namespace nablas {
namespace {

// Multiply-adds from which the GIL is released; below, releasing it costs more than it gains.
constexpr double operations_to_release = 2e4;

// Scratch of the calling thread, kept between calls.
template <class T>
Workspaces<T>& scratch(int threads) {
  static thread_local Workspaces<T> workspaces;
  workspaces.reserve(threads, kernels<T>().gemm_workspace);
  return workspaces;
}

// body(team, workspace) on threads_for_call(operations) threads, without the GIL from operations_to_release on.
template <class T, class Body>
void run(double operations, Body body) {
  const int threads = threads_for_call(operations);
  Workspaces<T>& workspaces = scratch<T>(threads);
  const auto work = [&] { parallel(threads, [&](const Team& team) { body(team, workspaces.of(team)); }); };
  if (operations < operations_to_release) {
    work();
  } else {
    const GilReleased release;
    work();
  }
}

// What a product costs, in multiply-adds: to read an element takes as long as a few of them. Writing does not count,
// since a second thread hardly speeds it up.
double cost_of(double rows, double columns, double depth) {
  constexpr double of_element = 4;
  return std::max(rows * columns * depth, of_element * (rows + columns) * depth);
}

// A product with its epilogue, in rectangles of C between which signals are checked.
template <class T>
void run_gemm(const Gemm<T>& g) {
  constexpr int64 least_rows = 64, least_columns = 64;
  const double operations = static_cast<double>(g.rows) * g.columns * g.depth;
  int64 rows = g.rows, columns = g.columns;
  if (operations > operations_between_signals) {
    const auto fitting = [&](double length, int64 least) {
      return std::max<int64>(1, static_cast<int64>(operations_between_signals / length) / least) * least;
    };
    rows = fitting(static_cast<double>(g.columns) * g.depth, least_rows);
    columns = fitting(static_cast<double>(rows) * g.depth, least_columns);
  }
  in_parts(g.rows, rows, [&](Range down) {
    in_parts(g.columns, columns, [&](Range across) {
      const double cost = cost_of(down.end - down.begin, across.end - across.begin, g.depth);
      run<T>(cost, [&](const Team& team, T* workspace) { team_gemm(kernels<T>(), team, g, down, across, workspace); });
    });
  });
}

// An operand of matmul: read without a copy if aligned, of native byte order and with strides of whole elements.
template <class T>
struct Operand {
  Operand(const py::array& array, const char* name, bool transposed) : held(readable(array, name)) {
    data = static_cast<const T*>(held.data());
    rows = held.shape(0), columns = held.shape(1);
    rs = held.strides(0) / static_cast<int64>(sizeof(T)), cs = held.strides(1) / static_cast<int64>(sizeof(T));
    if (transposed) {
      std::swap(rows, columns);
      std::swap(rs, cs);
    }
  }
  static py::array readable(const py::array& array, const char* name) {
    float_type(array, name);
    check_dimensions(array, 2, name);
    const bool aligned = (py::detail::array_proxy(array.ptr())->flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
    const bool whole = array.strides(0) % static_cast<py::ssize_t>(sizeof(T)) == 0 &&
                       array.strides(1) % static_cast<py::ssize_t>(sizeof(T)) == 0;
    return py::isinstance<py::array_t<T>>(array) && aligned && whole ? array : Input<T>(array, name).array();
  }
  py::array held;
  const T* data;
  int64 rows, columns, rs, cs;
};

py::array matmul(py::handle a_object, py::handle b_object, py::handle a_transposed, py::handle b_transposed,
                 py::handle out) {
  const bool transpose_a = flag_argument(a_transposed, "transpose_a");
  const bool transpose_b = flag_argument(b_transposed, "transpose_b");
  const py::array a_array = as_array(a_object, "a"), b_array = as_array(b_object, "b");
  const Float type = float_type(a_array, "a");
  if (float_type(b_array, "b") != type)
    type_error("b", std::string(float_name(type)) + " like a", py::str(b_array.dtype()));
  return visit_float(type, [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    const Operand<T> a(a_array, "a", transpose_a), b(b_array, "b", transpose_b);
    if (a.columns != b.rows)
      value_error("b",
                  std::to_string(a.columns) + " rows to match a's columns" +
                      (transpose_a || transpose_b ? " (after transposition)" : ""),
                  std::to_string(b.rows));
    Result<T> result(out, {a.rows, b.columns}, "out", {&a.held, &b.held});
    Gemm<T> g{a.rows, b.columns, a.columns, a.data, a.rs, a.cs, b.data, b.rs, b.cs, result.data(), b.columns};
    run_gemm(g);
    return result.finish();
  });
}

py::array dense_forward(py::handle x_object, py::handle weights_object, py::handle activation, py::handle out,
                        py::handle preactivation_out) {
  const py::array x_array = as_array(x_object, "x");
  const int index = activation_index(activation);
  return visit_float(float_type(x_array, "x"), [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    const Input<T> x(x_array, "x"), weights(weights_object, "weights");
    check_dimensions(x.array(), 2, "x");
    check_weights(weights, x.columns());
    const int64 outputs = weights.columns();
    LayerResult<T> result(out, preactivation_out, {x.rows(), outputs}, {&x.array(), &weights.array()});
    const Gemm<T> g =
        forward_gemm<T>(x.matrix(), weights.data(), outputs, result.data(), result.preactivation(), index);
    run_gemm(g);
    return result.finish();
  });
}

py::tuple dense_backward(py::handle x_object, py::handle weights_object, py::handle delta_object, py::handle activation,
                         py::handle preactivation, py::handle gradient_out, py::handle delta_out) {
  const py::array x_array = as_array(x_object, "x");
  const int index = activation_index(activation);
  const bool needs_z = any_kernels<float>().activations[index].slope_needs_preactivation;
  if (needs_z && preactivation.is_none())
    value_error("preactivation",
                "x's preactivation, which the slope of " + name_argument(activation, "activation") + " needs", "None");
  return visit_float(float_type(x_array, "x"), [&](auto scalar) -> py::tuple {
    using T = decltype(scalar);
    const Input<T> x(x_array, "x"), weights(weights_object, "weights");
    check_dimensions(x.array(), 2, "x");
    check_weights(weights, x.columns());
    const int64 rows = x.rows(), inputs = x.columns(), outputs = weights.columns();
    const Input<T> delta = Input<T>(delta_object, "delta").expect({rows, outputs}, "delta");
    const Input<T> kept =
        needs_z ? Input<T>(preactivation, "preactivation").expect({rows, inputs}, "preactivation") : x;
    const Arrays inputs_held = {&x.array(), &weights.array(), &delta.array(), &kept.array()};
    Result<T> gradient(gradient_out, {inputs + 1, outputs}, "gradient_out", inputs_held),
        below(delta_out, {rows, inputs}, "delta_out", inputs_held);
    check_apart(gradient_out, "gradient_out", delta_out, "delta_out");
    const Gemm<T> g =
        delta_gemm<T>(delta.data(), rows, weights.data(), inputs, outputs, below.data(), index, kept.data(), inputs);
    const double operations = 2.0 * rows * weights.size();
    if (operations <= operations_between_signals) {
      run<T>(cost_of(inputs, outputs, rows) + cost_of(rows, inputs, outputs), [&](const Team& team, T* workspace) {
        team_gradient(kernels<T>(), team, x.matrix(), delta.matrix(), gradient.data(), workspace);
        team_gemm(kernels<T>(), team, g, workspace);
      });
    } else {
      run<T>(static_cast<double>(delta.size()), [&](const Team& team, T*) {
        kernels<T>().column_sums(delta.matrix(), team.share(outputs, kernels<T>().tile_columns), gradient.data(),
                                 false);
      });
      run_gemm(gradient_gemm(x.matrix(), delta.matrix(), gradient.data() + outputs, outputs));
      run_gemm(g);
    }
    return py::make_tuple(gradient.finish(), below.finish());
  });
}

py::array softmax(py::handle z_object, py::handle out) {
  const py::array z_array = as_array(z_object, "z");
  return visit_float(float_type(z_array, "z"), [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    const Input<T> z(z_array, "z");
    check_dimensions(z.array(), 2, "z");
    Result<T> result(out, {z.rows(), z.columns()}, "out", {}, {&z.array()});
    const int64 n = z.columns();
    in_parts(z.rows(), rows_of_part(n), [&](Range part) {
      const int64 rows = part.end - part.begin;
      run<T>(20.0 * static_cast<double>(rows) * n, [&](const Team& team, T*) {
        const Range own = team.share(rows, loss_rows);
        const int64 at = (part.begin + own.begin) * n;
        kernels<T>().softmax({z.data() + at, own.end - own.begin, n, n}, result.data() + at, n);
      });
    });
    return result.finish();
  });
}

}  // namespace

void bind_dense(py::module_& m) {
  m.def("matmul", &matmul, py::arg("a"), py::arg("b"), py::kw_only(), py::arg("transpose_a") = false,
        py::arg("transpose_b") = false, py::arg("out") = py::none(),
        R"(matmul(a, b, *, transpose_a=False, transpose_b=False, out=None)
--

The product of two matrices, each transposed first if requested.

Parameters
----------
a : array of shape (n, k), or (k, n) with `transpose_a`
b : array of shape (k, m), or (m, k) with `transpose_b`
    float32 or float64, the same for both; any strides.
out : array of shape (n, m), optional
    Receives the result; may overlap the inputs.

Returns
-------
array of shape (n, m)
    ``|C - AB| <= gamma_(k+2) |A||B|`` entry by entry, whatever the instruction set. The order of
    each sum depends on k alone, so the bits do not depend on strides or threads.

Raises
------
ValueError
    For shapes that do not match.
TypeError
    For other dtypes, or two different ones.

Examples
--------
>>> nb.kernels.matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
array([[11.]]))");
  m.def("dense_forward", &dense_forward, py::arg("x"), py::arg("weights"), py::arg("activation") = "identity",
        py::kw_only(), py::arg("out") = py::none(), py::arg("preactivation_out") = py::none(),
        R"(dense_forward(x, weights, activation="identity", *, out=None, preactivation_out=None)
--

A dense layer: ``g(x W + b)``, bias and activation fused into the product.

Parameters
----------
x : array of shape (n, inputs)
weights : array of shape (inputs + 1, outputs)
    Row 0 is the bias.
activation : str
    A registered activation, see ``nablas.activations()``.
out, preactivation_out : arrays of shape (n, outputs), optional
    Receive the activation and ``z = x W + b``.

Returns
-------
array of shape (n, outputs)

Raises
------
ValueError, TypeError
    For shapes that do not match, unknown names, or other dtypes.

Examples
--------
>>> x, weights = np.array([[1.0, 2.0]]), np.array([[0.5], [1.0], [2.0]])  # row 0 is the bias
>>> nb.kernels.dense_forward(x, weights, "relu")
array([[5.5]]))");
  m.def(
      "dense_backward", &dense_backward, py::arg("x"), py::arg("weights"), py::arg("delta"),
      py::arg("activation") = "identity", py::kw_only(), py::arg("preactivation") = py::none(),
      py::arg("gradient_out") = py::none(), py::arg("delta_out") = py::none(),
      R"(dense_backward(x, weights, delta, activation="identity", *, preactivation=None, gradient_out=None, delta_out=None)
--

Backward pass of a dense layer: the gradient of its weights and the delta of the layer below.

Parameters
----------
x : array of shape (n, inputs)
    The layer's input in the forward pass.
weights : array of shape (inputs + 1, outputs)
delta : array of shape (n, outputs)
    The loss's derivative with respect to this layer's preactivation.
activation : str
    The activation that produced `x`; "identity" if `x` is data.
preactivation : array of shape (n, inputs), optional
    The z of ``x = g(z)``; required for activations that ``nablas.activations()`` marks
    "preactivation".
gradient_out : array of shape (inputs + 1, outputs), optional
delta_out : array of shape (n, inputs), optional
    Receive the results.

Returns
-------
gradient : array of shape (inputs + 1, outputs)
    Row 0: column sums of delta; below: ``x^T delta``.
delta_below : array of shape (n, inputs)
    ``(delta W^T) * slope``.

Raises
------
ValueError, TypeError
    For shapes that do not match, unknown names, a missing preactivation, or other dtypes.

Examples
--------
>>> x, weights, delta = np.array([[1.0, 2.0]]), np.array([[0.5], [1.0], [-2.0]]), np.array([[0.1]])
>>> gradient, delta_below = nb.kernels.dense_backward(x, weights, delta, "relu")
>>> gradient.ravel().tolist(), delta_below.tolist()
([0.1, 0.1, 0.2], [[0.1, -0.2]]))");
  m.def("softmax", &softmax, py::arg("z"), py::kw_only(), py::arg("out") = py::none(),
        R"(softmax(z, *, out=None)
--

``exp(z) / sum(exp(z))`` of each row, shifted by the row's maximum.

Parameters
----------
z : array of shape (n, classes)
out : array of shape (n, classes), optional
    May be `z` itself.

Returns
-------
array of shape (n, classes)
    Every row sums to 1.

Raises
------
ValueError, TypeError
    For shapes that do not match, or other dtypes.

Examples
--------
>>> nb.kernels.softmax(np.array([[0.0, 0.0], [0.0, 100.0]])).round(4)
array([[0.5, 0.5],
       [0. , 1. ]]))");
}

}  // namespace nablas
