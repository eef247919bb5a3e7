// Vectorised exp, expm1, log, log1p, tanh, sigmoid, erf and the normal distribution.
//
// Method: argument reduction to an interval around zero, a polynomial, reconstruction; no tables and no
// branches. cpp/tools/coefficients.py prints the coefficients; docs/accuracy.md lists the measured errors.
// All accept any value, including infinities, NaN and subnormals, unless a comment restricts the domain.
#pragma once

#include "kernels/simd.hpp"

namespace nablas {
namespace {

constexpr int mantissa_bits = is_double ? 52 : 23;
constexpr I exponent_bias = is_double ? 1023 : 127;
constexpr T ln2_high = is_double ? T(0x1.62e42fee00000p-1) : T(0x1.62e000p-1);
constexpr T ln2_low = is_double ? T(0x1.a39ef35793c76p-33) : T(0x1.0bfbe8e7bcd5ep-15);
constexpr T log2_e = T(1.44269504088896340736);
constexpr T infinity = __builtin_inf();
constexpr T not_a_number = __builtin_nan("");
// Adding it rounds to the nearest integer, held in the low bits of the sum's mantissa.
constexpr T round_magic = is_double ? T(0x1.8p52) : T(0x1.8p23);

NABLAS_INLINE V absolute(V x) { return from_bits(bits(x) & ~bits(broadcast(T(-0.0)))); }
NABLAS_INLINE V copy_sign(V magnitude, V sign) {
  const VI mask = bits(broadcast(T(-0.0)));
  return from_bits((bits(magnitude) & ~mask) | (bits(sign) & mask));
}

template <int n>
NABLAS_INLINE V polynomial(V x, const T (&c)[n]) {
  V sum = broadcast(c[n - 1]);
  for (int i = n - 2; i >= 0; --i) sum = sum * x + c[i];
  return sum;
}

// x = n ln 2 + r, |r| <= ln(2)/2; returns q = e^r - 1 and n as an integer vector.
NABLAS_INLINE V reduced_expm1(V x, VI& n) {
  const V shifted = x * log2_e + round_magic;
  n = bits(shifted) - bits(broadcast(round_magic));
  const V k = shifted - round_magic;
  const V r = (x - k * ln2_high) - k * ln2_low;
  V p;
  if constexpr (is_double) {
    constexpr T c[] = {0.5000000000000012854,    0.1666666666666648058,    0.04166666666651512389,
                       0.008333333333452386358,  0.001388888894702437798,  0.0001984126959563686444,
                       2.480148995975424313e-05, 2.755750805211481857e-06, 2.763127255107028215e-07,
                       2.502458574142921801e-08};
    p = polynomial(r, c);
  } else {
    constexpr T c[] = {T(0.4999998852779712644), T(0.1666651787023342141), T(0.04166954426644872055),
                       T(0.00836898723100467648), T(0.001375115027560274538)};
    p = polynomial(r, c);
  }
  return r + r * r * p;
}

// Any n: for NaN it is not an exponent, and the shift leaves the integers.
NABLAS_INLINE V power_of_two(VI n) { return from_bits((VI)((VW)(n + exponent_bias) << mantissa_bits)); }

NABLAS_INLINE V exp(V x) {
  constexpr T top = is_double ? T(710) : T(89), bottom = is_double ? T(-746) : T(-104);
  x = x > top ? broadcast(top) : x;
  x = x < bottom ? broadcast(bottom) : x;
  VI n;
  const V q = reduced_expm1(x, n);
  // Two factors, so that neither overflows and a subnormal result is rounded once.
  const VI half = n >> 1;
  return (q + T(1)) * power_of_two(half) * power_of_two(n - half);
}

// Domain: x <= 60.
NABLAS_INLINE V expm1(V x) {
  constexpr T bottom = is_double ? T(-50) : T(-30);
  x = x < bottom ? broadcast(bottom) : x;
  VI n;
  const V q = reduced_expm1(x, n);
  const V scale = power_of_two(n);
  return q * scale + (scale - T(1));
}

NABLAS_INLINE V log(V x) {
  constexpr T smallest_normal = is_double ? T(0x1p-1022) : T(0x1p-126);
  constexpr int lift = is_double ? 54 : 25;
  const VI subnormal = x < smallest_normal;
  const V scaled = subnormal ? x * T(is_double ? 0x1p54 : 0x1p25) : x;
  // scaled = 2^e m with m in [sqrt(1/2), sqrt(2)); modulo 2^w, because x may be negative
  const VI root_half = bits(broadcast(T(0.70710678118654752440)));
  const VI e = (VI)((VW)bits(scaled) - (VW)root_half) >> mantissa_bits;
  const V m = from_bits((VI)((VW)bits(scaled) - ((VW)e << mantissa_bits)));
  const VI exponent = e - (subnormal & I(lift));
  const V k = from_bits(exponent + bits(broadcast(round_magic))) - round_magic;
  // log(1 + f) = f - (f^2/2 - s (f^2/2 + R)), s = f / (2 + f), 2 atanh(s) = 2 s + s R
  const V f = m - T(1);
  const V s = f / (f + T(2));
  const V q = s * s;
  V r;
  if constexpr (is_double) {
    constexpr T c[] = {0.6666666666666736816, 0.3999999999940142986, 0.2857142874502268778, 0.2222219832138817059,
                       0.1818357681823897987, 0.1531374043819290716, 0.1479899430195390737};
    r = q * polynomial(q, c);
  } else {
    constexpr T c[] = {T(0.6666666561848579848), T(0.4000034009816139645), T(0.2853703749179021695),
                       T(0.2358682403034589818)};
    r = q * polynomial(q, c);
  }
  const V half_square = f * f * T(0.5);
  V y = k * ln2_high - ((half_square - (s * (half_square + r) + k * ln2_low)) - f);
  y = x == T(0) ? broadcast(-infinity) : y;
  y = x < T(0) || x != x ? broadcast(not_a_number) : y;
  return x == infinity ? x : y;
}

// Domain: 0 <= x <= 1. log of the rounded sum 1 + x, corrected by the rounding error of the sum.
NABLAS_INLINE V log1p(V x) {
  const V u = x + T(1);
  return log(u) + (x - (u - T(1))) / u;
}

NABLAS_INLINE V tanh(V x) {
  constexpr T saturated = is_double ? T(20) : T(10);
  V a = absolute(x);
  a = a > saturated ? broadcast(saturated) : a;
  const V t = expm1(a + a);
  return copy_sign(t / (t + T(2)), x);
}

NABLAS_INLINE V sigmoid(V x) {
  const V e = exp(-absolute(x));
  return (x < T(0) ? e : broadcast(1)) / (e + T(1));
}

// erf(x) / x - 1 for |x| < 1, a polynomial in x^2
NABLAS_INLINE V erf_ratio(V square) {
  if constexpr (is_double) {
    constexpr T c[] = {0.1283791670955125738,     -0.3761263890318374812,    0.1128379167095488157,
                       -0.0268661706450773342,    0.005223977624823222568,   -0.0008548326981129665996,
                       0.0001205533112229926526,  -1.492559551950604345e-05, 1.646100448096203468e-06,
                       -1.635035446195965564e-07, 1.466005199839484768e-08,  -1.137390229643091163e-09,
                       5.958930743134941219e-11};
    return polynomial(square, c);
  } else {
    constexpr T c[] = {T(0.1283791658815026333),   T(-0.3761262690358043833),  T(0.1128359746348805314),
                       T(-0.02685432879606724434), T(0.005189311942686617681), T(-0.0008018854992786386964),
                       T(7.882497110086663567e-05)};
    return polynomial(square, c);
  }
}

// erfc(x) for 1 <= x: e^(-x^2) times a polynomial in u = 2.5 / (x + 1.5)
NABLAS_INLINE V erfc_tail(V x) {
  constexpr T vanished = is_double ? T(27.3) : T(10.1);
  x = x > vanished ? broadcast(vanished) : x;
  const V u = T(2.5) / (x + T(1.5));
  V p;
  if constexpr (is_double) {
    constexpr T c[] = {-5.432640337241331109e-13, 0.2256758334578031708,     0.1354054988040544871,
                       0.06318925747723043415,    0.01624834743950464188,    -0.005413351437272112818,
                       -0.008468455503847421528,  -0.002809620864639376407,  0.001988954127716657194,
                       0.003733301089727071607,   -0.0001190878729638953097, -0.005583848697367227584,
                       0.01566921784379136153,    -0.04249547866962838445,   0.07574411127233590855,
                       -0.08691816011130370479,   0.06687650676928213447,    -0.03487329302686724829,
                       0.0119559183002019905,     -0.002451032546759681721,  0.0002289583053514984249};
    p = polynomial(u, c);
  } else {
    constexpr T c[] = {T(-2.464475850658499515e-06), T(0.2257306208451058793),   T(0.1348787856359992972),
                       T(0.06606068528906128444),    T(0.006490870683506571706), T(0.01586152644009713947),
                       T(-0.03757880734807737389),   T(0.01948208288699076613),  T(-0.003244325436003688778),
                       T(-9.539898632547306403e-05)};
    p = polynomial(u, c);
  }
  return exp(-(x * x)) * p;
}

NABLAS_INLINE V erf(V x) {
  const V a = absolute(x);
  const V inner = x + x * erf_ratio(x * x);
  const V outer = copy_sign(T(1) - erfc_tail(a < T(1) ? broadcast(1) : a), x);
  return a < T(1) ? inner : outer;
}

// Phi(z) = erfc(-z / sqrt 2) / 2, without cancellation in the left tail
NABLAS_INLINE V normal_cdf(V z) {
  const V x = z * T(0.70710678118654752440);
  const V a = absolute(x);
  const V inner = T(0.5) + T(0.5) * (x + x * erf_ratio(x * x));
  const V tail = T(0.5) * erfc_tail(a < T(1) ? broadcast(1) : a);
  return a < T(1) ? inner : (x < T(0) ? tail : T(1) - tail);
}

NABLAS_INLINE V normal_pdf(V z) { return exp(z * z * T(-0.5)) * T(0.39894228040143267794); }

}  // namespace
}  // namespace nablas
