// The activations. To add one: a struct here and its name in `Activations` (loops, Python names and tests are
// generated from the list), and its formula in python/nablas/reference/activations.py.
//
// value(z) is g(z). slope(kept) is g'(z) as a function of a = g(z), or of z where slope_needs_preactivation.
// value(NaN) is NaN, value(±inf) and the slope there are the limits, and a finite z does not overflow on the way; the
// last holds for the reference, too. Cost: one read and one write per element, and the formula's arithmetic.
#pragma once

#include "kernels/math.hpp"
#include "kernels/registry.hpp"

namespace nablas {
namespace {

struct OutputSlope {
  static constexpr const char* initialization = "glorot";
  static constexpr bool slope_needs_preactivation = false;
};
struct PreactivationSlope {
  static constexpr const char* initialization = "glorot";
  static constexpr bool slope_needs_preactivation = true;
  // A finite z in place of ±inf, whose product with 0 is not a number. Far beyond where the other factor is 0.
  static NABLAS_INLINE V finite(V z) {
    constexpr T far = 10000;
    return z > far ? broadcast(far) : (z < -far ? broadcast(-far) : z);
  }
};

struct Identity : OutputSlope {
  static constexpr const char *name = "identity", *formula = "z";
  static NABLAS_INLINE V value(V z) { return z; }
  static NABLAS_INLINE V slope(V) { return broadcast(1); }
};
struct Sigmoid : OutputSlope {
  static constexpr const char *name = "sigmoid", *formula = "1 / (1 + exp(-z))";
  static NABLAS_INLINE V value(V z) { return sigmoid(z); }
  static NABLAS_INLINE V slope(V a) { return a * (T(1) - a); }
};
struct Tanh : OutputSlope {
  static constexpr const char *name = "tanh", *formula = "tanh(z)";
  static NABLAS_INLINE V value(V z) { return tanh(z); }
  static NABLAS_INLINE V slope(V a) { return T(1) - a * a; }
};
struct Relu : OutputSlope {
  static constexpr const char *name = "relu", *initialization = "he", *formula = "max(z, 0)";
  static NABLAS_INLINE V value(V z) { return z < T(0) ? V{} : z; }
  static NABLAS_INLINE V slope(V a) { return a > T(0) ? broadcast(1) : V{}; }
};
struct LeakyRelu : OutputSlope {
  static constexpr const char *name = "leaky_relu", *initialization = "he", *formula = "z where z >= 0, else 0.01 z";
  static constexpr T leak = T(0.01);
  static NABLAS_INLINE V value(V z) { return z < T(0) ? z * leak : z; }
  static NABLAS_INLINE V slope(V a) { return a > T(0) ? broadcast(1) : broadcast(leak); }
};
struct Elu : OutputSlope {
  static constexpr const char *name = "elu", *initialization = "he", *formula = "z where z >= 0, else exp(z) - 1";
  static NABLAS_INLINE V value(V z) { return z < T(0) ? expm1(z) : z; }
  static NABLAS_INLINE V slope(V a) { return a > T(0) ? broadcast(1) : a + T(1); }
};
struct Selu : OutputSlope {  // Klambauer et al. 2017
  static constexpr const char *name = "selu", *initialization = "lecun",
                              *formula = "1.0507 z where z >= 0, else 1.7581 (exp(z) - 1)";
  static constexpr T scale = T(1.05070098735548049342), scaled_alpha = T(1.75809934084737685994);
  static NABLAS_INLINE V value(V z) { return z < T(0) ? expm1(z) * scaled_alpha : z * scale; }
  static NABLAS_INLINE V slope(V a) { return a > T(0) ? broadcast(scale) : a + scaled_alpha; }
};
struct Softplus : OutputSlope {
  static constexpr const char *name = "softplus", *formula = "log(1 + exp(z))";
  static NABLAS_INLINE V value(V z) { return (z < T(0) ? V{} : z) + log1p(exp(-absolute(z))); }
  static NABLAS_INLINE V slope(V a) { return -expm1(-a); }
};
struct Softsign : OutputSlope {
  static constexpr const char *name = "softsign", *formula = "z / (1 + |z|)";
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
  static constexpr const char *name = "silu", *initialization = "he", *formula = "z sigmoid(z)";
  static NABLAS_INLINE V value(V z) { return z == -infinity ? V{} : z * sigmoid(z); }
  static NABLAS_INLINE V slope(V z) {
    const V s = sigmoid(z);
    return s + s * ((T(1) - s) * finite(z));
  }
};
struct Gelu : PreactivationSlope {  // exact, through erf
  static constexpr const char *name = "gelu", *initialization = "he",
                              *formula = "z Phi(z), Phi the normal distribution function";
  static NABLAS_INLINE V value(V z) { return z == -infinity ? V{} : z * normal_cdf(z); }
  static NABLAS_INLINE V slope(V z) { return normal_cdf(z) + finite(z) * normal_pdf(z); }
};
struct Mish : PreactivationSlope {  // Misra 2020; tanh(log(1 + e)) = n / (n + 2) with e = exp(z), n = e (e + 2)
  static constexpr const char *name = "mish", *initialization = "he", *formula = "z tanh(log(1 + exp(z)))";
  static NABLAS_INLINE V capped(V z) { return z > T(20) ? broadcast(20) : z; }  // beyond it g(z) rounds to z
  static NABLAS_INLINE V value(V z) {
    const V e = exp(capped(z)), n = e * (e + T(2));
    return z == -infinity ? V{} : z * (n / (n + T(2)));
  }
  static NABLAS_INLINE V slope(V z) {
    const V m = capped(z), e = exp(m), n = e * (e + T(2)), d = n + T(2);
    return z == -infinity ? V{} : n / d + m * (e * (e + T(1)) * T(4) / (d * d));
  }
};
struct Step : OutputSlope {  // its slope is 0 everywhere, so it cannot be trained
  static constexpr const char *name = "step", *formula = "1 where z >= 0, else 0";
  static NABLAS_INLINE V value(V z) { return z != z ? z : (z < T(0) ? V{} : broadcast(1)); }
  static NABLAS_INLINE V slope(V) { return V{}; }
};
struct Exp : OutputSlope {  // the mean of a Poisson model
  static constexpr const char *name = "exp", *formula = "exp(z)";
  static NABLAS_INLINE V value(V z) { return exp(z); }
  static NABLAS_INLINE V slope(V a) { return a; }
};

using Activations =
    List<Identity, Sigmoid, Tanh, Relu, LeakyRelu, Elu, Selu, Softplus, Softsign, Silu, Gelu, Mish, Step, Exp>;

// ---- loops ------------------------------------------------------------------------------------------

// out = f(x, old), vector by vector; old() loads the previous contents of out.
template <class F>
NABLAS_INLINE void map_rows(const Matrix<const T>& x, T* out, int64 out_rs, F f) {
  Matrix<const T> m = x;
  if (m.rs == m.columns && out_rs == m.columns) m = {x.data, 1, x.rows * x.columns, x.rows * x.columns};
  for (int64 i = 0; i < m.rows; ++i) {
    const T* from = m.data + i * m.rs;
    T* to = out + i * out_rs;
    for_each_vector(m.columns, [&](auto load, auto store) NABLAS_LAMBDA {
      store(to, f(load(from), [&]() NABLAS_LAMBDA { return load(to); }));
    });
  }
}

struct ActivationMaker {
  using Entry = ActivationEntry<T>;
  template <class A>
  static constexpr Entry entry() {
    return {A::name,
            A::formula,
            A::initialization,
            A::slope_needs_preactivation,
            [](const Matrix<const T>& z, T* a, int64 a_rs) {
              map_rows(z, a, a_rs, [](V x, auto) NABLAS_LAMBDA { return A::value(x); });
            },
            [](const Matrix<const T>& kept, T* out, int64 out_rs) {
              map_rows(kept, out, out_rs, [](V x, auto) NABLAS_LAMBDA { return A::slope(x); });
            },
            [](const Matrix<const T>& kept, T* delta, int64 delta_rs) {
              map_rows(kept, delta, delta_rs, [](V x, auto old) NABLAS_LAMBDA { return old() * A::slope(x); });
            }};
  }
};
using ActivationEntries = Registry<ActivationMaker, Activations>;

}  // namespace
}  // namespace nablas
