#include "network/network.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "base/philox.hpp"
#include "network/dispatch.hpp"

namespace nablas {
namespace {

constexpr double two_pi = 6.28318530717958647692;

double unit_interval(std::uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }

// total + (inputs + 1) * outputs. Throws std::overflow_error above 2**60.
int64 checked_parameters(int64 total, int64 inputs, int64 outputs) {
  int64 block;
  if (__builtin_mul_overflow(inputs + 1, outputs, &block) || __builtin_add_overflow(total, block, &total) ||
      total > (int64{1} << 60))
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

void random_uniform(double low, double high, std::uint64_t seed, std::uint32_t stream, double* out, int64 count) {
  for (int64 i = 0; i < count; ++i) out[i] = low + (high - low) * unit_interval(philox_word64(seed, i, 0, stream));
}

void random_normal(double deviation, std::uint64_t seed, std::uint32_t stream, double* out, int64 count) {
  for (int64 i = 0; i < count; i += 2) {  // Box and Muller 1958: two from each block
    const double radius = deviation * std::sqrt(-2 * std::log(1 - unit_interval(philox_word64(seed, i, 0, stream))));
    const double angle = two_pi * unit_interval(philox_word64(seed, i + 1, 0, stream));
    out[i] = radius * std::cos(angle);
    if (i + 1 < count) out[i + 1] = radius * std::sin(angle);
  }
}

void random_permutation(std::uint64_t seed, std::uint32_t epoch, int64* out, int64 count) {
  constexpr int64 blocks = 128, words = 2 * blocks;  // 64-bit words at once
  std::uint32_t random[4 * blocks];
  std::iota(out, out + count, int64{0});
  for (int64 k = 0; k < count - 1; ++k) {
    if (k % words == 0)
      kernels<float>().random_words(seed, k / 2, std::min(blocks, (count - k) / 2 + 1), epoch, stream_shuffle, random);
    const std::uint32_t* word = random + 2 * (k % words);
    const int64 i = count - 1 - k;
    const unsigned __int128 product =
        static_cast<unsigned __int128>(static_cast<std::uint64_t>(word[0]) << 32 | word[1]) * (i + 1);
    std::swap(out[i], out[static_cast<int64>(product >> 64)]);
  }
}

const std::vector<std::string>& initializations() {
  static const std::vector<std::string> names = {"glorot",  "glorot_normal", "he",   "lecun",
                                                 "uniform", "normal",        "zeros"};
  return names;
}

template <class T>
void initialize(Network<T>& network, const std::string& method, std::uint64_t seed) {
  std::vector<double> values;
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const Layer& layer = network.layers[l];
    T* const block = network.parameters.data() + layer.offset;
    const int64 count = layer.inputs * layer.outputs;
    const double fan_in = layer.inputs, fan_out = layer.outputs;
    const std::uint32_t stream = stream_initialization + static_cast<std::uint32_t>(l);
    values.assign(count, 0.0);
    const auto uniform = [&](double limit) { random_uniform(-limit, limit, seed, stream, values.data(), count); };
    const auto normal = [&](double deviation) { random_normal(deviation, seed, stream, values.data(), count); };
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
    for (int64 j = 0; j < layer.outputs; ++j) block[j] = 0;
    for (int64 i = 0; i < count; ++i) block[layer.outputs + i] = static_cast<T>(values[i]);
  }
}

template class Network<float>;
template class Network<double>;
template void initialize(Network<float>&, const std::string&, std::uint64_t);
template void initialize(Network<double>&, const std::string&, std::uint64_t);

}  // namespace nablas
