// A network's parameters, and an optimizer's states, in the order in which the products of an epoch read them.
#pragma once

#include <vector>

#include "network/network.hpp"

namespace nablas {

// The weights of some layers are in panels (kernels/table.hpp), at their place among the parameters; biases and other
// layers are as in the network. Products then read weights in order, and the weights of different threads share no
// cache line but those where their panels meet.
template <class T>
class PanelOrder {
 public:
  // Takes the layers of more than one panel; unless there are `several` threads, of those the ones that a single thread
  // reads faster so. `sparse`: the first layer's inputs are sparse rows, which read rows of W.
  void choose(const Network<T>&, bool several, bool sparse);
  bool operator==(const PanelOrder& other) const {
    return in_panels_ == other.in_panels_ && panel_columns_ == other.panel_columns_;
  }
  bool any() const { return !in_panels_.empty(); }
  bool of(std::size_t l) const { return any() && in_panels_[l] != 0; }
  // Both (parameter_count,), without overlap.
  void pack(const Network<T>&, const T* from, T* to) const;
  void unpack(const Network<T>&, const T* from, T* to) const;

 private:
  template <class Copy>
  void for_each_panel(const Network<T>&, Copy) const;
  std::vector<char> in_panels_;  // of each layer; empty: none
  int64 panel_columns_ = 1;
};

}  // namespace nablas
