// The counter-based generator: uniform and normal numbers, permutations, dropout masks.
#include "network/random.hpp"

#include <limits>

#include "base/philox.hpp"
#include "bindings/arrays.hpp"
#include "bindings/slices.hpp"
#include "network/dispatch.hpp"

namespace nablas {
namespace {

constexpr std::uint64_t most_streams = (1 << 24) - 1;

int64 count_argument(py::handle count) {
  return static_cast<int64>(integer_argument(count, "count", 0, std::numeric_limits<int64>::max()));
}
std::uint64_t seed_argument(py::handle seed) {
  return integer_argument(seed, "seed", 0, std::numeric_limits<std::uint64_t>::max());
}
std::uint32_t stream_argument(py::handle stream) {
  return stream_user + static_cast<std::uint32_t>(integer_argument(stream, "stream", 0, most_streams));
}

template <class Fill>
py::array_t<double> filled(int64 count, Fill fill) {
  check_size({count}, sizeof(double), "count");
  py::array_t<double> out(count);
  double* data = out.mutable_data();
  GilReleased release;
  for (int64 first = 0; first < count; first += numbers_between_pauses) {
    if (first > 0) release.check_signals();
    fill(first, data + first, std::min(numbers_between_pauses, count - first));
  }
  return out;
}

}  // namespace

void bind_random(py::module_& m) {
  m.def(
      "random_uniform",
      [](py::handle count, py::handle seed, py::handle stream) {
        return filled(count_argument(count),
                      [key = seed_argument(seed), s = stream_argument(stream)](int64 first, double* out, int64 n) {
                        random_uniform(0, 1, key, s, first, out, n);
                      });
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
ValueError
    For a number out of range.
TypeError
    For anything but integers.

Examples
--------
>>> nb.kernels.random_uniform(3, seed=0).round(4)
array([0.7193, 0.3915, 0.0646]))");
  m.def(
      "random_normal",
      [](py::handle count, py::handle seed, py::handle stream) {
        return filled(count_argument(count),
                      [key = seed_argument(seed), s = stream_argument(stream)](int64 first, double* out, int64 n) {
                        random_normal(1, key, s, first, out, n);
                      });
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
ValueError
    For a number out of range.
TypeError
    For anything but integers.

Examples
--------
>>> nb.kernels.random_normal(3, seed=0).round(4)
array([-1.2376,  1.0044, -0.2565]))");
  m.def(
      "permutation",
      [](py::handle count_object, py::handle seed_object, py::handle epoch_object) {
        const int64 count = count_argument(count_object);
        const std::uint64_t seed = seed_argument(seed_object);
        const auto epoch = static_cast<std::uint32_t>(
            integer_argument(epoch_object, "epoch", 0, std::numeric_limits<std::uint32_t>::max()));
        check_size({count}, sizeof(int64), "count");
        py::array_t<int64> out(count);
        int64* data = out.mutable_data();
        GilReleased release;
        random_permutation(seed, epoch, data, count, [&] { release.check_signals(); });
        return out;
      },
      py::arg("count"), py::kw_only(), py::arg("seed"), py::arg("epoch") = 0,
      R"(permutation(count, *, seed, epoch=0)
--

The order in which `fit` visits its rows in one epoch (Fisher-Yates).

Parameters
----------
count : int
seed : int
    From 0 to 2**64 - 1.
epoch : int
    From 0 to 2**32 - 1.

Returns
-------
array of int64, shape (count,)

Raises
------
ValueError
    For a number out of range.
TypeError
    For anything but integers.

Examples
--------
>>> nb.kernels.permutation(5, seed=0)
array([3, 4, 0, 1, 2]))");
  m.def(
      "dropout",
      [](py::handle x_object, py::handle rate_object, py::handle seed_object, py::handle step_object,
         py::handle layer_object, py::handle first_row_object, py::handle out) {
        const py::array x_array = as_array(x_object, "x");
        const double rate = number_argument(rate_object, "rate");
        const std::uint64_t seed = seed_argument(seed_object);
        const std::uint64_t step = integer_argument(step_object, "step", 0, std::numeric_limits<std::uint64_t>::max());
        const auto layer = static_cast<std::uint32_t>(integer_argument(layer_object, "layer", 0, most_streams));
        if (!(rate >= 0 && rate < 1)) value_error("rate", "a number from 0 to less than 1", std::to_string(rate));
        return visit_float(float_type(x_array, "x"), [&](auto scalar) -> py::array {
          using T = decltype(scalar);
          const Input<T> x(x_array, "x");
          check_dimensions(x.array(), 2, "x");
          const auto most = static_cast<std::uint64_t>(std::numeric_limits<int64>::max() - x.rows());
          const auto first_row = static_cast<int64>(integer_argument(first_row_object, "first_row", 0, most));
          Result<T> result(out, {x.rows(), x.columns()}, "out", {}, {&x.array()});
          T* data = result.data();
          const int64 columns = x.columns();
          in_parts(x.rows(), rows_of_part(columns), [&](Range part) {
            const Matrix<const T> rows{x.data() + part.begin * columns, part.end - part.begin, columns, columns};
            const GilReleased release;
            kernels<T>().dropout(rows, data + part.begin * columns, columns, first_row + part.begin,
                                 {seed, step, layer, rate});
          });
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
    For numbers out of range, shapes that do not match, or other dtypes.

Examples
--------
>>> nb.kernels.dropout(np.ones((2, 4)), 0.5, seed=1)
array([[2., 2., 0., 0.],
       [2., 0., 0., 2.]]))");
}

}  // namespace nablas
