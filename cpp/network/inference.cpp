// Outputs and losses of many rows: blocks of rows go through the whole network, each on one thread.
#include "network/inference.hpp"

#include <algorithm>
#include <vector>

#include "network/dispatch.hpp"

namespace nablas {
namespace {

// Rows of a block: enough to fill the tiles, few enough that a layer's activations stay in L2.
constexpr int64 block_rows = 16 * loss_rows;

// Parts of a thread, where there are as many blocks: what a thread that loses its processor holds up.
constexpr int most_parts_each = 4;

// Memory of the calling thread, kept between calls unless it is large.
template <class T>
struct Scratch {
  std::vector<Pass<T>> passes;  // one for each thread of the team
  std::vector<Stage> stages;
};
constexpr int64 kept_bytes = 1 << 23;

// The stages of `arguments` for every block of the rows `all`; before(arguments) sets what depends on the block, and
// after(pass, block) reads its results.
template <class T, class Before, class After>
void for_each_block(const Network<T>& network, const Samples<T>& data, Range all, Purpose purpose,
                    const PassArguments<T>& arguments, Before before, After after) {
  const int64 rows = all.end - all.begin;
  int threads = threads_for(data.operations(network) * rows, operations_per_wake_up);
  const int64 each = (rows + threads - 1) / threads;
  const int64 block = std::max<int64>(1, std::min(block_rows, (each + loss_rows - 1) / loss_rows * loss_rows));
  const int64 blocks = std::max<int64>(1, (rows + block - 1) / block);
  threads = static_cast<int>(std::min<int64>(threads, blocks));
  static thread_local Scratch<T> scratch;
  std::vector<Pass<T>>& passes = scratch.passes;
  std::vector<Stage>& stages = scratch.stages;
  if (passes.size() < static_cast<std::size_t>(threads)) passes.resize(threads);
  for (int i = 0; i < threads; ++i)
    passes[i].prepare(network, data, purpose, Dropout{}, std::min(block, std::max<int64>(rows, 1)), 1);
  passes[0].list_stages(network, purpose, arguments.output, arguments.dropout, stages);
  const auto work = [&](const Team& team) {
    const Range own = team.share(rows, block);
    Pass<T>& pass = passes[team.worker];
    PassArguments<T> own_arguments = arguments;
    for (int64 begin = own.begin; begin < own.end; begin += block) {
      const Range range{all.begin + begin, all.begin + std::min(begin + block, own.end)};
      own_arguments.block = pass.block(network, data, range);
      before(own_arguments);
      const Section<T> section = pass.section(alone, false, range.end - range.begin);
      for (const Stage& stage : stages) pass.run(stage, section, network, own_arguments);
      after(pass, own_arguments.block);
    }
  };
  parallel(threads, work, Use::network, static_cast<int>(std::min<int64>(most_parts_each, blocks / threads)));
  if (passes[0].bytes() * threads > kept_bytes) passes.clear();
}

}  // namespace

template <class T>
void infer(const Network<T>& network, const Samples<T>& data, Range rows, T* out) {
  Samples<T> inputs;  // a pass for outputs has no memory for targets and weights
  inputs.x = data.x;
  inputs.sparse = data.sparse;
  inputs.order = data.order;
  const PassArguments<T> arguments{{}, Output::activation, {}, {}, false, T(0)};
  for_each_block(
      network, inputs, rows, Purpose::outputs, arguments,
      [&](PassArguments<T>& own) { own.out = out + (own.block.rows.begin - rows.begin) * network.outputs(); },
      [](Pass<T>&, const Block<T>&) {});
}

template <class T>
void evaluate(const Network<T>& network, const Samples<T>& data, const Objective& objective, Range rows,
              double* losses) {
  const Output output = objective.output();
  const PassArguments<T> arguments{{}, output, {}, objective, false, T(0)};
  for_each_block(
      network, data, rows, Purpose::loss, arguments, [](PassArguments<T>&) {},
      [&](Pass<T>& pass, const Block<T>& block) {
        pass.copy_losses(block.x.rows, losses + block.rows.begin / loss_rows);
      });
}

template void infer(const Network<float>&, const Samples<float>&, Range, float*);
template void infer(const Network<double>&, const Samples<double>&, Range, double*);
template void evaluate(const Network<float>&, const Samples<float>&, const Objective&, Range, double*);
template void evaluate(const Network<double>&, const Samples<double>&, const Objective&, Range, double*);

}  // namespace nablas
