// The counter-based generator: uniform and normal numbers, permutations, dropout masks.
#include "network/random.hpp"
#include "base/philox.hpp"
#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "network/dispatch.hpp"

namespace nablas {
namespace {

int64 checked_count(int64 count) {
  if (count < 0) value_error("count", "0 or more", std::to_string(count));
  return count;
}

std::uint32_t checked_stream(int64 stream) {
  if (stream < 0 || stream >= 1 << 24) value_error("stream", "an integer from 0 to 2**24 - 1", std::to_string(stream));
  return stream_user + static_cast<std::uint32_t>(stream);
}

template <class Fill>
py::array_t<double> filled(int64 count, Fill fill) {
  py::array_t<double> out(checked_count(count));
  double* data = out.mutable_data();
  const GilReleased release;
  fill(data, count);
  return out;
}

}  // namespace

void bind_random(py::module_& m) {
  m.def(
      "random_uniform",
      [](int64 count, std::uint64_t seed, int64 stream) {
        return filled(count,
                      [&, s = checked_stream(stream)](double* out, int64 n) { random_uniform(0, 1, seed, s, out, n); });
      },
      py::arg("count"), py::kw_only(), py::arg("seed"), py::arg("stream") = 0,
      R"(random_uniform(count, *, seed, stream=0)
--

Numbers in [0, 1) with 53 random bits, from the counter-based generator Philox4x32-10.

Parameters
----------
count : int
seed : int
    From 0 to 2**64 - 1.
stream : int
    From 0 to 2**24 - 1; streams of one seed are independent.

Returns
-------
array of float64, shape (count,)

Raises
------
ValueError, TypeError
    For numbers out of range, shapes that do not match, or other dtypes.)");
  m.def(
      "random_normal",
      [](int64 count, std::uint64_t seed, int64 stream) {
        return filled(count,
                      [&, s = checked_stream(stream)](double* out, int64 n) { random_normal(1, seed, s, out, n); });
      },
      py::arg("count"), py::kw_only(), py::arg("seed"), py::arg("stream") = 0,
      R"(random_normal(count, *, seed, stream=0)
--

Standard normal numbers (Box-Muller) from the counter-based generator.

Parameters
----------
count, seed, stream : int
    As for `random_uniform`.

Returns
-------
array of float64, shape (count,)

Raises
------
ValueError, TypeError
    For numbers out of range, shapes that do not match, or other dtypes.)");
  m.def(
      "permutation",
      [](int64 count, std::uint64_t seed, std::uint32_t epoch) {
        py::array_t<int64> out(checked_count(count));
        int64* data = out.mutable_data();
        const GilReleased release;
        random_permutation(seed, epoch, data, count);
        return out;
      },
      py::arg("count"), py::kw_only(), py::arg("seed"), py::arg("epoch") = 0,
      R"(permutation(count, *, seed, epoch=0)
--

The order in which `fit` visits its rows in one epoch (Fisher-Yates).

Parameters
----------
count, seed, epoch : int

Returns
-------
array of int64, shape (count,)

Raises
------
ValueError, TypeError
    For numbers out of range, shapes that do not match, or other dtypes.)");
  m.def(
      "dropout",
      [](py::handle x_object, double rate, std::uint64_t seed, std::uint64_t step, std::uint32_t layer, int64 first_row,
         py::handle out) {
        const py::array x_array = as_array(x_object, "x");
        if (!(rate >= 0 && rate < 1)) value_error("rate", "a number from 0 to less than 1", std::to_string(rate));
        if (layer >= 1u << 24) value_error("layer", "an integer from 0 to 2**24 - 1", std::to_string(layer));
        if (first_row < 0) value_error("first_row", "0 or more", std::to_string(first_row));
        return visit_float(float_type(x_array, "x"), [&](auto scalar) -> py::array {
          using T = decltype(scalar);
          const Input<T> x(x_array, "x");
          check_dimensions(x.array(), 2, "x");
          Result<T> result(out, {x.rows(), x.columns()}, "out", {}, {&x.array()});
          T* data = result.data();
          {
            const GilReleased release;
            kernels<T>().dropout(x.matrix(), data, x.columns(), first_row, {seed, step, layer, rate});
          }
          return result.finish();
        });
      },
      py::arg("x"), py::arg("rate"), py::kw_only(), py::arg("seed"), py::arg("step") = 0, py::arg("layer") = 0,
      py::arg("first_row") = 0, py::arg("out") = py::none(),
      R"(dropout(x, rate, *, seed, step=0, layer=0, first_row=0, out=None)
--

Inverted dropout: entries are zero with probability `rate`, the others divided by ``1 - rate``.

The mask depends on the integer arguments, `rate` and x's shape alone: a call on the delta applies the same mask.

Parameters
----------
x : array of shape (n, columns)
rate : float
    From 0 to less than 1.
seed, step, layer, first_row : int
    The mask's coordinates; `first_row` is the index of x's first row in its batch.
out : array of shape (n, columns), optional
    May be `x` itself.

Returns
-------
array of shape (n, columns)

Raises
------
ValueError, TypeError
    For numbers out of range, shapes that do not match, or other dtypes.)");
}

}  // namespace nablas
