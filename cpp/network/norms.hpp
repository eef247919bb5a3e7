// Norms and penalties, also where the sum of squares is beyond the range of its type.
#pragma once

#include "network/network.hpp"

namespace nablas {

// The root of Σ values². Slower than the kernels' sum of squares, but finite wherever the result is.
template <class T>
double norm_of_any_size(const T* values, int64 count);

// l1 Σ|W| + l2 ΣW² over the weights, biases excluded.
template <class T>
double penalty(const Network<T>&, double l1, double l2);

}  // namespace nablas
