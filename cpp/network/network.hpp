// A network: its layers and one flat buffer of parameters. Layer l owns the (inputs + 1, outputs) block at its
// offset; row 0 of the block is the bias.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "base/lock.hpp"
#include "kernels/table.hpp"
#include "network/random.hpp"

namespace nablas {

struct Layer {
  int64 inputs, outputs;
  int activation;  // index into the activations; softmax is one past their end
  int64 offset;
};

template <class T>
class Network {
 public:
  // sizes: features, hidden layers, outputs; one activation a layer, softmax at the output only.
  Network(const std::vector<int64>& sizes, const std::vector<int>& activations);

  int64 inputs() const { return layers.front().inputs; }
  int64 outputs() const { return layers.back().outputs; }
  bool softmax_output() const;
  // Multiply-adds of one forward pass of one sample.
  double operations() const;

  std::vector<Layer> layers;
  int64 parameter_count = 0;
  std::atomic<int64> updates{0};  // by all trainers; the step of the next batch's dropout mask
  int64 epochs = 0;               // by all trainers; numbers the next epoch's permutation; guarded by the GIL
  Buffer<T> parameters;
  // Exclusive while parameters are written, shared while they are read: a reader sees those of the last return from the
  // core.
  mutable Lock lock;
};

// glorot, glorot_normal, he, lecun, uniform, normal, zeros: weights from the generator, biases zero.
const std::vector<std::string>& initializations();
// out (parameter_count,) = initial parameters of a network of these layers.
template <class T>
void initialize(const Network<T>& network, const std::string& method, std::uint64_t seed, T* out, const Pause& pause);

}  // namespace nablas
