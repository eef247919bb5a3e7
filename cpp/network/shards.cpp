#include "network/shards.hpp"

#include <limits>

#include "base/long_sum.hpp"

namespace nablas {

template <class T>
double sum_of_weights(const Samples<T>& data, Range rows, const Shards& shards) {
  const int64 count = rows.end - rows.begin;
  if (data.weights == nullptr) return static_cast<double>(count);
  double kept[most_shard_levels + 1];
  const Shards every{shards.levels, {0, shards.count()}};
  int top = 0;
  for (int64 shard = 0; shard < every.count(); ++shard) {
    LongSum sum;
    for (int64 i = every.begin(shard, count); i < every.begin(shard + 1, count); ++i)
      sum.add(data.weights[data.row(rows.begin + i)]);
    double total = sum.total();
    for (int merges = every.merges(shard); merges > 0; --merges) total += kept[--top];
    kept[top++] = total;
  }
  return kept[0] < std::numeric_limits<T>::min() ? 0 : kept[0];
}

template double sum_of_weights(const Samples<float>&, Range, const Shards&);
template double sum_of_weights(const Samples<double>&, Range, const Shards&);

}  // namespace nablas
