// The division of a batch over processes.
#pragma once

#include "network/pass.hpp"

namespace nablas {

// A batch is cut into 2^levels shards of rows. The gradient, the losses and the weights of a shard are sums by
// longest_sum's rule; those of the shards are added as its tree. A trainer computes the shards `own`.
struct Shards {
  int levels = 0;
  Range own{0, 1};
  int64 count() const { return int64{1} << levels; }
  bool all() const { return own.end - own.begin == count(); }
  // First row of shard i in a batch of `rows`.
  int64 begin(int64 i, int64 rows) const { return (i * rows) >> levels; }
  int64 largest(int64 rows) const { return (rows + count() - 1) >> levels; }
  // Once shard i is computed: how many of the sums before it, each of twice as many shards as the last, are added to
  // it.
  int merges(int64 i) const {
    int found = 0;
    for (int64 size = 2; ((i + 1) & (size - 1)) == 0 && i + 1 - size >= own.begin; size *= 2) ++found;
    return found;
  }
};

constexpr int most_shard_levels = 20;

// The sum of the rows' weights, by shards; without weights, their number. 0 if it is below the smallest normal number
// of T, whose reciprocal T may not hold.
template <class T>
double sum_of_weights(const Samples<T>&, Range rows, const Shards& = {});

}  // namespace nablas
