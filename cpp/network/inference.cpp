// Outputs and losses of many rows: blocks of rows go through the whole network, each on one thread.
#include "network/inference.hpp"

#include <algorithm>
#include <vector>

#include "network/dispatch.hpp"

namespace nablas {
namespace {

// Rows of a block: enough to fill the tiles, few enough that a layer's activations stay in L2.
constexpr int64 block_rows = 16 * loss_rows;

// body(pass, section of one thread, block) for every block of the rows `all`, gathered before the call.
template <class T, class Body>
void for_each_block(const Network<T>& network, const Samples<T>& data, Range all, Purpose purpose, Body body) {
  const int64 rows = all.end - all.begin;
  int threads = threads_for(network.operations() * rows);
  const int64 each = (rows + threads - 1) / threads;
  const int64 block = std::max<int64>(1, std::min(block_rows, (each + loss_rows - 1) / loss_rows * loss_rows));
  threads = static_cast<int>(std::min<int64>(threads, std::max<int64>(1, (rows + block - 1) / block)));
  std::vector<Pass<T>> passes(threads);
  for (Pass<T>& pass : passes) pass.prepare(network, purpose, false, std::min(block, std::max<int64>(rows, 1)), 1);
  parallel(threads, [&](const Team& team) {
    const Range own = team.share(rows, block);
    Pass<T>& pass = passes[team.rank];
    for (int64 begin = own.begin; begin < own.end; begin += block) {
      const Range range{all.begin + begin, all.begin + std::min(begin + block, own.end)};
      const Block<T> under_way = pass.block(network, data, range);
      const Section<T> section = pass.section(Team(0, 1, nullptr), network, range.end - range.begin);
      pass.gather(section, network, under_way);
      body(pass, section, under_way);
    }
  });
}

}  // namespace

template <class T>
void infer(const Network<T>& network, const AnyMatrix& x, Range rows, T* out) {
  Samples<T> data;
  data.x = x;
  for_each_block(network, data, rows, Purpose::outputs,
                 [&](Pass<T>& pass, const Section<T>& section, const Block<T>& block) {
                   pass.forward(section, network, block, Output::activation, Dropout{},
                                out + (block.rows.begin - rows.begin) * network.outputs());
                 });
}

template <class T>
void evaluate(const Network<T>& network, const Samples<T>& data, const Objective& objective, Range rows,
              double* losses) {
  const Output output = objective.linked ? Output::preactivation : Output::activation;
  for_each_block(network, data, rows, Purpose::loss,
                 [&](Pass<T>& pass, const Section<T>& section, const Block<T>& block) {
                   pass.forward(section, network, block, output, Dropout{});
                   pass.loss(section, network, block, objective, false, T(0));
                   pass.copy_losses(block.x.rows, losses + block.rows.begin / loss_rows);
                 });
}

template void infer(const Network<float>&, const AnyMatrix&, Range, float*);
template void infer(const Network<double>&, const AnyMatrix&, Range, double*);
template void evaluate(const Network<float>&, const Samples<float>&, const Objective&, Range, double*);
template void evaluate(const Network<double>&, const Samples<double>&, const Objective&, Range, double*);

}  // namespace nablas
