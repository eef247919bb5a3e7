#include "network/pass.hpp"

#include <algorithm>

#include "network/dispatch.hpp"

namespace nablas {
namespace {

void list_deltas(const Dropout& dropout, int last, std::vector<Stage>& stages) {
  for (int l = last; l > 0; --l) {
    stages.push_back({Stage::delta, l});
    if (dropout.rate(l) > 0) stages.push_back({Stage::drop_delta, l});
  }
}

}  // namespace

template <class T>
void Pass<T>::prepare(const Network<T>& network, const Samples<T>& data, Purpose purpose, const Dropout& dropout,
                      int64 rows, int threads, bool copies) {
  kernel_ = &kernels<T>();
  sparse_ = data.sparse != nullptr && dropout.rate(0) == 0 && !copies;
  operations_ = sparse_ ? data.operations(network) : network.operations();
  const std::size_t count = network.layers.size();
  int64 used = 0;
  places_.clear();
  const auto place = [&](T*& pointer, int64 columns) {
    constexpr int64 line = buffer_alignment / sizeof(T);
    places_.push_back({&pointer, used, columns});
    used += (rows * columns + line - 1) / line * line;
  };
  const int64 outputs = network.outputs();
  activations_.assign(count, nullptr);
  preactivations_.assign(count, nullptr);
  dropped_.assign(count, nullptr);
  deltas_.assign(count, nullptr);
  const bool few = rows * network.inputs() <= largest_copy_elements;
  copies_ = data.sparse == nullptr && few && !copies ? std::min(threads, most_copies) : 1;
  copy_elements_ = rows * network.inputs();
  if (!sparse_) place(x_, network.inputs() * copies_);
  if (purpose != Purpose::gradient) {
    int64 widest = 0;
    for (const Layer& layer : network.layers) widest = std::max(widest, layer.outputs);
    for (std::size_t l = 0; l < std::min<std::size_t>(count, 2); ++l) place(activations_[l], widest);
  } else {
    for (std::size_t l = 0; l < count; ++l) {
      const Layer& layer = network.layers[l];
      place(activations_[l], layer.outputs);
      place(deltas_[l], layer.outputs);
      if (layer.activation < kernel_->activation_count &&
          kernel_->activations[layer.activation].slope_needs_preactivation)
        place(preactivations_[l], layer.outputs);
      if (dropout.rate(l) > 0) place(dropped_[l], layer.inputs);
    }
  }
  if (purpose != Purpose::outputs) {
    place(targets_, outputs);
    place(weights_, 1);
    labels_.reserve(rows * data.label_columns);
    losses_.reserve((rows + loss_rows - 1) / loss_rows);
  }
  arena_.reserve(used);
  begin_at(0);
  if (purpose != Purpose::gradient)
    for (std::size_t l = 2; l < count; ++l) activations_[l] = activations_[l - 2];
  workspaces_.reserve(threads, kernel_->gemm_workspace);
  if (purpose != Purpose::gradient) return;
  int64 largest = 0;
  for (const Layer& layer : network.layers)
    largest = std::max(largest, (layer.inputs + 1) * std::min(layer.outputs, part_columns));
  gradient_parts_.reserve(threads, largest);
}

template <class T>
Block<T> Pass<T>::block(const Network<T>& network, const Samples<T>& data, Range rows, bool copy) {
  constexpr ElementType own_type = sizeof(T) == 4 ? ElementType::float32 : ElementType::float64;
  constexpr int64 size = sizeof(T);
  const AnyMatrix& x = data.x;
  const int64 count = rows.end - rows.begin, inputs = network.inputs();
  const bool in_order = data.order == nullptr && !copy;
  const bool ready = in_order && data.sparse == nullptr && x.type == own_type &&
                     (x.column_bytes == size || x.columns <= 1) && x.row_bytes % size == 0 &&
                     reinterpret_cast<std::uintptr_t>(x.data) % size == 0;
  Block<T> block{&data,     rows,   {x_, count, inputs, inputs}, targets_, labels_.data(), weights_, !ready && !sparse_,
                 !in_order, sparse_};
  if (ready)
    block.x = {reinterpret_cast<const T*>(static_cast<const char*>(x.data) + rows.begin * x.row_bytes), count, inputs,
               x.row_bytes / size};
  if (in_order) {
    block.targets = data.targets + (data.targets != nullptr ? rows.begin * network.outputs() : 0);
    block.labels = data.labels + (data.labels != nullptr ? rows.begin * data.label_columns : 0);
    block.weights = data.weights + (data.weights != nullptr ? rows.begin : 0);
  }
  if (data.labels == nullptr) block.labels = nullptr;
  if (data.weights == nullptr) block.weights = nullptr;
  return block;
}

template <class T>
Block<T> Pass<T>::kept_block(const Network<T>& network, Range rows) const {
  Block<T> block{};
  block.rows = rows;
  block.x = {x_, rows.end - rows.begin, network.inputs(), network.inputs()};
  return block;
}

template <class T>
void Pass<T>::begin_at(int64 row) {
  for (const Place& place : places_) *place.pointer = arena_.data() + place.offset + row * place.columns;
}

template <class T>
void Pass<T>::list_stages(const Network<T>& network, Purpose purpose, Output output, const Dropout& dropout,
                          std::vector<Stage>& stages) const {
  stages.assign(1, {Stage::gather, 0});
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    if (dropout.rate(l) > 0) stages.push_back({Stage::drop, static_cast<int>(l)});
    stages.push_back({Stage::layer, static_cast<int>(l)});
  }
  const int last = static_cast<int>(network.layers.size()) - 1;
  if (network.softmax_output() && output == Output::activation) stages.push_back({Stage::softmax, last});
  if (purpose != Purpose::outputs) stages.push_back({Stage::loss, last});
  if (purpose == Purpose::gradient) list_deltas(dropout, last, stages);
}

template <class T>
void Pass<T>::list_backward_stages(const Network<T>& network, const Dropout& dropout,
                                   std::vector<Stage>& stages) const {
  const int last = static_cast<int>(network.layers.size()) - 1;
  stages.assign(1, {Stage::output_slope, last});
  list_deltas(dropout, last, stages);
}

template <class T>
void Pass<T>::run(const Stage& stage, const Section<T>& section, const Network<T>& network,
                  const PassArguments<T>& arguments) {
  const std::size_t l = stage.l;
  const Block<T>& block = arguments.block;
  switch (stage.kind) {
    case Stage::gather:
      return gather(section, network, block);
    case Stage::drop:
      return drop(section, arguments.dropout, l, undropped_input(network, block, l, 0), dropped_[l]);
    case Stage::layer:
      return forward(section, network, arguments, l);
    case Stage::softmax:
      return softmax(section, network, arguments.out != nullptr ? arguments.out : activations_.back());
    case Stage::loss:
      return loss(section, network, arguments);
    case Stage::output_slope:
      return output_slope(section, network, arguments.by_outputs);
    case Stage::delta:
      return delta(section, network, block.x.rows, l);
    case Stage::drop_delta:
      const int64 inputs = network.layers[l].inputs;
      return drop(section, arguments.dropout, l, {deltas_[l - 1], block.x.rows, inputs, inputs}, deltas_[l - 1]);
  }
}

template <class T>
bool Pass<T>::by_layers(int parts, const Network<T>& network, int64 rows) const {
  if (parts == 1) return false;
  const double layers = static_cast<double>(network.layers.size());
  return rows < loss_rows * parts || operations_ * static_cast<double>(rows) >= operations_by_layers * layers;
}

template <class T>
bool Pass<T>::by_columns(const Stage& stage, int parts, const Network<T>& network, int64 rows) const {
  if (parts == 1 || stage.kind != Stage::layer || stage.l > 0 || !layer_in_panels(0)) return false;
  const Layer& first = network.layers.front();
  return even(parts, first) && first.outputs >= parts * kernel_->tile_columns &&
         first.inputs * first.outputs * 5 >= rows * (first.inputs + first.outputs) * 3;
}

template <class T>
bool Pass<T>::own_inputs(int parts, const Network<T>& network, const Block<T>& block, const Dropout& dropout) const {
  if (parts == 1 || parts > copies_ || !block.gathers_x || dropout.rate(0) > 0 || !layer_in_panels(0)) return false;
  const Layer& first = network.layers.front();
  const int64 rows = block.x.rows;
  if (!by_layers(parts, network, rows) && !by_columns({Stage::layer, 0}, parts, network, rows))
    return even(parts, first) && rows * first.inputs * int64{sizeof(T)} < cached_copy_bytes;
  const Rectangle part = share_rectangle({0, parts, 0}, rows, first.outputs, kernel_->tile_rows, kernel_->tile_columns);
  return part.rows.end == rows;
}

template <class T>
Section<T> Pass<T>::section(const Team& team, bool divided, int64 rows) {
  T* const workspace = workspaces_.of(team);
  if (divided) return {team, {0, rows}, workspace, team.rank};
  return {{0, 1, team.worker}, team.share(rows, loss_rows), workspace, team.rank};
}

template <class T>
void Pass<T>::gather(const Section<T>& section, const Network<T>& network, const Block<T>& block) {
  const Samples<T>& data = *block.data;
  const Range own = section.own_rows(1), own_x = block.own_x ? Range{0, block.x.rows} : own;
  const int64 inputs = network.inputs(), outputs = network.outputs();
  constexpr int64 cached_elements = (int64{1} << 18) / sizeof(T);  // of a data set that stays in L2
  const bool prefetches = data.x.rows * inputs > cached_elements;
  const int64 ahead = prefetches ? block.rows.end - block.rows.begin : 0;  // to the next block's
  T* const x = x_ + (block.own_x ? section.part * copy_elements_ : 0) + own_x.begin * inputs;
  if (block.gathers_x && data.sparse != nullptr)
    kernel_->sparse_gather(*data.sparse, data.order, block.rows.begin + own_x.begin, own_x.end - own_x.begin, x);
  else if (block.gathers_x)
    kernel_->gather[static_cast<int>(data.x.type)](data.x, data.order, block.rows.begin + own_x.begin,
                                                   own_x.end - own_x.begin, ahead, x, inputs);
  if (!block.gathers_rest) return;
  const auto copy = [&](const auto* from, auto* to, int64 columns) {
    if (from == nullptr) return;
    const auto each = [&](auto copy_entries) {
      for (int64 i = own.begin; i < own.end; ++i) {
        const int64 at = block.rows.begin + i;
        if (prefetches && at + ahead < data.x.rows) __builtin_prefetch(from + data.row(at + ahead) * columns, 0, 2);
        copy_entries(from + data.row(at) * columns, to + i * columns);
      }
    };
    if (columns == 1)
      each([](const auto* entry, auto* place) { *place = *entry; });
    else
      each([&](const auto* entries, auto* place) { std::copy_n(entries, columns, place); });
  };
  copy(data.labels, labels_.data(), data.label_columns);
  copy(data.weights, weights_, 1);
  copy(data.targets, targets_, outputs);
}

template <class T>
void Pass<T>::product(const Section<T>& section, const Gemm<T>& g) const {
  if (section.team.size > 1)
    team_gemm(*kernel_, section.team, g, section.workspace);
  else
    kernel_->gemm(g, section.rows, {0, g.columns}, section.workspace);
}

template <class T>
void Pass<T>::forward(const Section<T>& section, const Network<T>& network, const PassArguments<T>& arguments,
                      std::size_t l) {
  const Layer& layer = network.layers[l];
  const bool last = l + 1 == network.layers.size();
  const bool plain =
      layer.activation >= kernel_->activation_count || (last && arguments.output == Output::preactivation);
  if (l == 0 && arguments.block.sparse) {
    sparse_forward(section, network, arguments, last && arguments.out != nullptr ? arguments.out : activations_[0]);
    return;
  }
  Gemm<T> g =
      forward_gemm<T>(input(network, arguments.block, l, arguments.dropout, section.part), parameters(network, l),
                      layer.outputs, last && arguments.out != nullptr ? arguments.out : activations_[l],
                      preactivations_[l], plain ? 0 : layer.activation);
  if (layer_in_panels(l)) g.b_panels = Panels::columns;
  product(section, g);
}

template <class T>
void Pass<T>::sparse_forward(const Section<T>& section, const Network<T>& network, const PassArguments<T>& arguments,
                             T* out) {
  const Layer& layer = network.layers.front();
  const Samples<T>& data = *arguments.block.data;
  const Range own = section.own_rows(loss_rows);
  const int64 n = layer.outputs, at = own.begin * n, count = own.end - own.begin;
  const T* const bias = parameters(network, 0);
  kernel_->sparse_product(*data.sparse, data.order, arguments.block.rows.begin, own, bias, bias + n, n, out);
  if (preactivations_.front() != nullptr) std::copy_n(out + at, count * n, preactivations_.front() + at);
  const bool last = network.layers.size() == 1;
  if (layer.activation >= kernel_->activation_count || (last && arguments.output == Output::preactivation)) return;
  if (layer.activation != 0) kernel_->activations[layer.activation].value({out + at, count, n, n}, out + at, n);
}

template <class T>
void Pass<T>::softmax(const Section<T>& section, const Network<T>& network, T* out) {
  const Range own = section.own_rows(loss_rows);
  const int64 n = network.outputs();
  kernel_->softmax({out + own.begin * n, own.end - own.begin, n, n}, out + own.begin * n, n);
}

template <class T>
void Pass<T>::loss(const Section<T>& section, const Network<T>& network, const PassArguments<T>& arguments) {
  const Block<T>& block = arguments.block;
  const Objective& objective = arguments.objective;
  const LossEntry<T>& entry = kernel_->losses[objective.loss];
  const Range own = section.own_rows(loss_rows);
  const int64 outputs = network.outputs();
  const bool averaged = entry.mean_of_entries && outputs > 0;
  const Range all{0, outputs};
  const Samples<T>& data = *block.data;
  double* const sums = losses_.data() + own.begin / loss_rows;
  const int64 count = (own.end - own.begin + loss_rows - 1) / loss_rows;
  std::fill_n(sums, count, 0.0);
  for (int64 g = 0; g < data.label_columns; ++g) {
    const Range group = data.groups != nullptr ? data.groups[g] : all;
    const LossArguments<T> of_rows{{output() + group.begin, block.x.rows, group.end - group.begin, outputs},
                                   block.targets,
                                   block.labels == nullptr ? nullptr : block.labels + g,
                                   block.weights,
                                   objective.hyperparameters,
                                   arguments.wants_delta ? deltas_.back() + group.begin : nullptr,
                                   outputs,
                                   averaged ? arguments.delta_scale / outputs : arguments.delta_scale,
                                   data.label_columns};
    entry.rows(of_rows, own, sums);
  }
  for (int64 k = 0; averaged && k < count; ++k) sums[k] *= 1.0 / outputs;
  if (arguments.wants_delta && !objective.linked) slope_of_output(network, own);
  if (arguments.wants_delta && block.weights != nullptr) clear_unweighted(network, block.weights, own);
}

// Rows of weight 0 change nothing whatever their activations and slopes are: infinity times 0 is not 0. Clears what the
// gradient reads of them.
template <class T>
void Pass<T>::clear_unweighted(const Network<T>& network, const T* weights, Range rows) {
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const Layer& layer = network.layers[l];
    nablas::clear_unweighted(weights, rows, activations_[l], layer.outputs);
    nablas::clear_unweighted(weights, rows, preactivations_[l], layer.outputs);
    nablas::clear_unweighted(weights, rows, dropped_[l], layer.inputs);
  }
  nablas::clear_unweighted(weights, rows, deltas_.back(), network.outputs());
}

template <class T>
void Pass<T>::output_slope(const Section<T>& section, const Network<T>& network, const T* by_outputs) {
  const Range own = section.own_rows(loss_rows);
  const int64 outputs = network.outputs();
  std::copy(by_outputs + own.begin * outputs, by_outputs + own.end * outputs, deltas_.back() + own.begin * outputs);
  slope_of_output(network, own);
}

// Converts delta of these rows in place: from the derivative with respect to a to that with respect to z.
template <class T>
void Pass<T>::slope_of_output(const Network<T>& network, Range rows) {
  const Layer& layer = network.layers.back();
  const int64 n = layer.outputs, at = rows.begin * n, count = rows.end - rows.begin;
  T* const delta = deltas_.back() + at;
  if (network.softmax_output()) {
    kernel_->softmax_slope({output() + at, count, n, n}, delta, delta);
    return;
  }
  const ActivationEntry<T>& entry = kernel_->activations[layer.activation];
  const T* kept = entry.slope_needs_preactivation ? preactivations_.back() : output();
  entry.multiply_slope({kept + at, count, n, n}, delta, n);
}

// Delta of layer l - 1, from that of layer l.
template <class T>
void Pass<T>::delta(const Section<T>& section, const Network<T>& network, int64 rows, std::size_t l) {
  const Layer& layer = network.layers[l];
  const int below = network.layers[l - 1].activation;
  const T* const kept =
      kernel_->activations[below].slope_needs_preactivation ? preactivations_[l - 1] : activations_[l - 1];
  Gemm<T> g = delta_gemm<T>(deltas_[l], rows, parameters(network, l), layer.inputs, layer.outputs, deltas_[l - 1],
                            below, kept, layer.inputs);
  if (layer_in_panels(l)) g.b_panels = Panels::transposed;
  product(section, g);
}

template <class T>
Matrix<const T> Pass<T>::undropped_input(const Network<T>& network, const Block<T>& block, std::size_t l,
                                         int part) const {
  if (l == 0 && block.own_x) return {x_ + part * copy_elements_, block.x.rows, block.x.columns, block.x.rs};
  if (l == 0) return block.x;
  const int64 inputs = network.layers[l].inputs;
  return {activations_[l - 1], block.x.rows, inputs, inputs};
}

template <class T>
Matrix<const T> Pass<T>::input(const Network<T>& network, const Block<T>& block, std::size_t l, const Dropout& dropout,
                               int part) const {
  const Matrix<const T> x = undropped_input(network, block, l, part);
  if (dropout.rate(l) == 0) return x;
  return {dropped_[l], x.rows, x.columns, x.columns};
}

template <class T>
void Pass<T>::drop(const Section<T>& section, const Dropout& dropout, std::size_t l, const Matrix<const T>& from,
                   T* to) const {
  const Range own = section.own_rows(loss_rows);
  kernel_->dropout({from.data + own.begin * from.rs, own.end - own.begin, from.columns, from.rs},
                   to + own.begin * from.columns, from.columns, dropout.first_row + own.begin,
                   {dropout.seed, dropout.step, static_cast<std::uint32_t>(l), dropout.rate(l)});
}

template <class T>
double Pass<T>::loss_sum(int64 rows) const {
  double total = 0;
  for (int64 i = 0; i < (rows + loss_rows - 1) / loss_rows; ++i) total += losses_.data()[i];
  return total;
}

template class Pass<float>;
template class Pass<double>;

}  // namespace nablas
