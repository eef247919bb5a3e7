#include "network/panels.hpp"

#include <algorithm>

#include "base/parallel.hpp"
#include "network/dispatch.hpp"

namespace nablas {
namespace {

constexpr int64 rows_together = 16;

}  // namespace

template <class T>
void PanelOrder<T>::choose(const Network<T>& network, bool several, bool sparse) {
  const Kernels<T>& kernel = kernels<T>();
  panel_columns_ = kernel.tile_columns;
  in_panels_.clear();
  for (const Layer& layer : network.layers) {
    const bool reads_rows = sparse && in_panels_.empty();
    in_panels_.push_back(!reads_rows && layer.outputs > panel_columns_ && layer.inputs > 0 &&
                         (several || kernel.one_thread_repays_panels(layer.inputs, layer.outputs)) &&
                         std::max(layer.inputs, layer.outputs) <= longest_sum);
  }
  if (std::find(in_panels_.begin(), in_panels_.end(), 1) == in_panels_.end()) *this = PanelOrder();
}

// copy(first element, rows, width, row stride, first element in the panel) for this part's blocks of rows, of each
// block all panels: one whole panel after the other would use only two cache lines of each of the matrix's pages.
template <class T>
template <class Copy>
void PanelOrder<T>::for_each_panel(const Network<T>& network, Copy copy) const {
  const int threads = threads_for(static_cast<double>(network.parameter_count), operations_per_wake_up);
  parallel(
      threads,
      [&](const Team& team) {
        for (std::size_t l = 0; l < network.layers.size(); ++l) {
          const Layer& layer = network.layers[l];
          const int64 n = layer.outputs, weights = layer.offset + n;
          if (team.rank == 0) copy(layer.offset, 1, n, n, layer.offset);
          const int64 width = of(l) ? panel_columns_ : n;
          const Range own = team.share(layer.inputs, rows_together);
          for (int64 i = own.begin; i < own.end; i += rows_together)
            for (int64 j = 0; j < n; j += width) {
              const int64 rows = std::min(own.end - i, rows_together), columns = std::min(width, n - j);
              copy(weights + i * n + j, rows, columns, n, weights + j * layer.inputs + i * columns);
            }
        }
      },
      Use::network);
}

template <class T>
void PanelOrder<T>::pack(const Network<T>& network, const T* from, T* to) const {
  for_each_panel(network, [&](int64 flat, int64 rows, int64 width, int64 stride, int64 panel) {
    for (int64 i = 0; i < rows; ++i) std::copy_n(from + flat + i * stride, width, to + panel + i * width);
  });
}

template <class T>
void PanelOrder<T>::unpack(const Network<T>& network, const T* from, T* to) const {
  for_each_panel(network, [&](int64 flat, int64 rows, int64 width, int64 stride, int64 panel) {
    for (int64 i = 0; i < rows; ++i) std::copy_n(from + panel + i * width, width, to + flat + i * stride);
  });
}

template class PanelOrder<float>;
template class PanelOrder<double>;

}  // namespace nablas
