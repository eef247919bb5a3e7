#include "network/network.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/philox.hpp"
#include "network/dispatch.hpp"
#include "network/random.hpp"

namespace nablas {
namespace {

// total + (inputs + 1) * outputs. Throws std::overflow_error above 2**60.
int64 checked_parameters(int64 total, int64 inputs, int64 outputs) {
  int64 rows, block;
  if (__builtin_add_overflow(inputs, 1, &rows) || __builtin_mul_overflow(rows, outputs, &block) ||
      __builtin_add_overflow(total, block, &total) || total > (int64{1} << 60))
    throw std::overflow_error("sizes: expected fewer than 2**60 parameters, got a product that overflows");
  return total;
}

}  // namespace

template <class T>
Network<T>::Network(const std::vector<int64>& sizes, const std::vector<int>& activations) {
  for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
    layers.push_back({sizes[l], sizes[l + 1], activations[l], parameter_count});
    parameter_count = checked_parameters(parameter_count, sizes[l], sizes[l + 1]);
  }
  parameters.reserve(parameter_count);
  parameters.fill_zero();
}

template <class T>
bool Network<T>::softmax_output() const {
  return layers.back().activation == any_kernels<T>().activation_count;
}

template <class T>
double Network<T>::operations() const {
  double total = 0;
  for (const Layer& layer : layers) total += static_cast<double>(layer.inputs + 1) * layer.outputs;
  return total;
}

const std::vector<std::string>& initializations() {
  static const std::vector<std::string> names = {"glorot",  "glorot_normal", "he",   "lecun",
                                                 "uniform", "normal",        "zeros"};
  return names;
}

template <class T>
void initialize(const Network<T>& network, const std::string& method, std::uint64_t seed, T* out, const Pause& pause) {
  std::vector<double> values;
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const Layer& layer = network.layers[l];
    T* const block = out + layer.offset;
    const int64 count = layer.inputs * layer.outputs;
    const double fan_in = layer.inputs, fan_out = layer.outputs;
    const std::uint32_t stream = stream_initialization + static_cast<std::uint32_t>(l);
    std::fill_n(block, layer.outputs, T(0));
    for (int64 first = 0; first < count; first += numbers_between_pauses) {
      pause();
      const int64 part = std::min(numbers_between_pauses, count - first);
      values.assign(part, 0.0);
      const auto uniform = [&](double limit) {
        random_uniform(-limit, limit, seed, stream, first, values.data(), part);
      };
      const auto normal = [&](double deviation) { random_normal(deviation, seed, stream, first, values.data(), part); };
      if (method == "glorot")
        uniform(std::sqrt(6 / (fan_in + fan_out)));
      else if (method == "glorot_normal")
        normal(std::sqrt(2 / (fan_in + fan_out)));
      else if (method == "he")
        normal(std::sqrt(2 / fan_in));
      else if (method == "lecun")
        normal(std::sqrt(1 / fan_in));
      else if (method == "uniform")
        uniform(1 / std::sqrt(fan_in));
      else if (method == "normal")
        normal(0.01);
      for (int64 i = 0; i < part; ++i) block[layer.outputs + first + i] = static_cast<T>(values[i]);
    }
  }
}

template class Network<float>;
template class Network<double>;
template void initialize(const Network<float>&, const std::string&, std::uint64_t, float*, const Pause&);
template void initialize(const Network<double>&, const std::string&, std::uint64_t, double*, const Pause&);

}  // namespace nablas
