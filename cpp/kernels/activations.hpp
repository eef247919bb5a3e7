// The activations. To add one: a struct here and its name in `Activations` (all loops, the Python names and
// the tests follow from the list), and its formula in python/nablas/reference/activations.py.
//
// value(z) is g(z). slope(kept) is g'(z) as a function of a = g(z), or of z where slope_needs_preactivation.
// NaN in gives NaN out. Cost: one read and one write an element, and what the formula says.
#pragma once

#include "kernels/math.hpp"

namespace nablas {
namespace {

struct OutputSlope {
  static constexpr bool slope_needs_preactivation = false;
};
struct PreactivationSlope {
  static constexpr bool slope_needs_preactivation = true;
};

struct Identity : OutputSlope {
  static constexpr const char* name = "identity";
  static NABLAS_INLINE V value(V z) { return z; }
  static NABLAS_INLINE V slope(V) { return broadcast(1); }
};
struct Sigmoid : OutputSlope {
  static constexpr const char* name = "sigmoid";
  static NABLAS_INLINE V value(V z) { return sigmoid(z); }
  static NABLAS_INLINE V slope(V a) { return a * (T(1) - a); }
};
struct Tanh : OutputSlope {
  static constexpr const char* name = "tanh";
  static NABLAS_INLINE V value(V z) { return tanh(z); }
  static NABLAS_INLINE V slope(V a) { return T(1) - a * a; }
};
struct Relu : OutputSlope {
  static constexpr const char* name = "relu";
  static NABLAS_INLINE V value(V z) { return z < T(0) ? V{} : z; }
  static NABLAS_INLINE V slope(V a) { return a > T(0) ? broadcast(1) : V{}; }
};
struct LeakyRelu : OutputSlope {
  static constexpr const char* name = "leaky_relu";
  static constexpr T leak = T(0.01);
  static NABLAS_INLINE V value(V z) { return z < T(0) ? z * leak : z; }
  static NABLAS_INLINE V slope(V a) { return a > T(0) ? broadcast(1) : broadcast(leak); }
};
struct Elu : OutputSlope {
  static constexpr const char* name = "elu";
  static NABLAS_INLINE V value(V z) { return z < T(0) ? expm1(z) : z; }
  static NABLAS_INLINE V slope(V a) { return a > T(0) ? broadcast(1) : a + T(1); }
};
struct Selu : OutputSlope {  // Klambauer et al. 2017
  static constexpr const char* name = "selu";
  static constexpr T scale = T(1.05070098735548049342), scaled_alpha = T(1.75809934084737685994);
  static NABLAS_INLINE V value(V z) { return z < T(0) ? expm1(z) * scaled_alpha : z * scale; }
  static NABLAS_INLINE V slope(V a) { return a > T(0) ? broadcast(scale) : a + scaled_alpha; }
};
struct Softplus : OutputSlope {
  static constexpr const char* name = "softplus";
  static NABLAS_INLINE V value(V z) { return (z < T(0) ? V{} : z) + log1p(exp(-absolute(z))); }
  static NABLAS_INLINE V slope(V a) { return -expm1(-a); }
};
struct Softsign : OutputSlope {
  static constexpr const char* name = "softsign";
  static NABLAS_INLINE V value(V z) {
    const V magnitude = absolute(z);
    return magnitude == infinity ? copy_sign(broadcast(1), z) : z / (magnitude + T(1));
  }
  static NABLAS_INLINE V slope(V a) {
    const V rest = T(1) - absolute(a);
    return rest * rest;
  }
};
struct Silu : PreactivationSlope {
  static constexpr const char* name = "silu";
  static NABLAS_INLINE V value(V z) { return z == -infinity ? V{} : z * sigmoid(z); }
  static NABLAS_INLINE V slope(V z) {
    const V s = sigmoid(z);
    return s + s * ((T(1) - s) * z);
  }
};
struct Gelu : PreactivationSlope {  // exact, through erf
  static constexpr const char* name = "gelu";
  static NABLAS_INLINE V value(V z) { return z == -infinity ? V{} : z * normal_cdf(z); }
  static NABLAS_INLINE V slope(V z) { return normal_cdf(z) + z * normal_pdf(z); }
};
struct Step : OutputSlope {  // 1 from 0 on; its slope is 0 everywhere, which is why it cannot be trained
  static constexpr const char* name = "step";
  static NABLAS_INLINE V value(V z) { return z != z ? z : (z < T(0) ? V{} : broadcast(1)); }
  static NABLAS_INLINE V slope(V) { return V{}; }
};
struct Exp : OutputSlope {  // the mean of a Poisson model
  static constexpr const char* name = "exp";
  static NABLAS_INLINE V value(V z) { return exp(z); }
  static NABLAS_INLINE V slope(V a) { return a; }
};

template <class... Entries>
struct List {};
using Activations =
    List<Identity, Sigmoid, Tanh, Relu, LeakyRelu, Elu, Selu, Softplus, Softsign, Silu, Gelu, Step, Exp>;

// ---- loops ------------------------------------------------------------------------------------------

// out(row, ·) = f(x(row, ·), out(row, ·))
template <class F>
NABLAS_INLINE void map_rows(const Matrix<const T>& x, T* out, int64 out_row, F f) {
  Matrix<const T> m = x;
  if (m.row == m.columns && out_row == m.columns) m = {x.data, 1, x.rows * x.columns, x.rows * x.columns};
  for (int64 i = 0; i < m.rows; ++i) {
    const T* from = m.data + i * m.row;
    T* to = out + i * out_row;
    for_each_vector(m.columns, [&](auto load, auto store) NABLAS_LAMBDA {
      store(to, f(load(from), [&]() NABLAS_LAMBDA { return load(to); }));
    });
  }
}

template <class A>
constexpr ActivationEntry<T> activation_entry() {
  return {A::name, A::slope_needs_preactivation,
          [](const Matrix<const T>& z, T* a, int64 a_row) {
            map_rows(z, a, a_row, [](V x, auto) NABLAS_LAMBDA { return A::value(x); });
          },
          [](const Matrix<const T>& kept, T* out, int64 out_row) {
            map_rows(kept, out, out_row, [](V x, auto) NABLAS_LAMBDA { return A::slope(x); });
          },
          [](const Matrix<const T>& kept, T* delta, int64 delta_row) {
            map_rows(kept, delta, delta_row, [](V x, auto old) NABLAS_LAMBDA { return old() * A::slope(x); });
          }};
}

template <class... A>
struct ActivationTable {
  static constexpr ActivationEntry<T> entries[] = {activation_entry<A>()...};
  static constexpr int count = sizeof...(A);
};
template <class... A>
constexpr ActivationTable<A...> table_of(List<A...>);
using ActivationEntries = decltype(table_of(Activations{}));

}  // namespace
}  // namespace nablas
