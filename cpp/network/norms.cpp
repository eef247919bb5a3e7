#include "network/norms.hpp"

#include <algorithm>
#include <cmath>

#include "network/dispatch.hpp"

namespace nablas {

template <class T>
double norm_of_any_size(const T* values, int64 count) {
  double largest = 0, total = 0;
  for (int64 i = 0; i < count; ++i) largest = std::max(largest, std::abs(static_cast<double>(values[i])));
  if (largest == 0 || !std::isfinite(largest)) return largest;
  for (int64 i = 0; i < count; ++i) total += (values[i] / largest) * (values[i] / largest);
  return largest * std::sqrt(total);
}

template <class T>
double penalty(const Network<T>& network, double l1, double l2) {
  double magnitudes = 0, squares = 0, norm = 0;
  for (const Layer& layer : network.layers) {
    const T* const weights = network.parameters.data() + layer.offset + layer.outputs;
    const int64 count = layer.inputs * layer.outputs;
    if (l1 != 0) magnitudes += kernels<T>().sum_of_magnitudes(weights, count);
    if (l2 == 0) continue;
    const double of_layer = kernels<T>().sum_of_squares(weights, count);
    if (std::isfinite(of_layer))
      squares += of_layer;
    else  // beyond the range of T
      norm = std::hypot(norm, norm_of_any_size(weights, count));
  }
  return l1 * magnitudes + l2 * squares + l2 * norm * norm;
}

template double norm_of_any_size(const float*, int64);
template double norm_of_any_size(const double*, int64);
template double penalty(const Network<float>&, double, double);
template double penalty(const Network<double>&, double, double);

}  // namespace nablas
