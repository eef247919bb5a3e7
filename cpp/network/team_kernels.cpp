#include "network/team_kernels.hpp"

namespace nablas {

Rectangle share_rectangle(const Team& team, int64 rows, int64 columns, int64 tile_rows, int64 tile_columns) {
  const int64 down = (rows + tile_rows - 1) / tile_rows, across = (columns + tile_columns - 1) / tile_columns;
  if (team.size == 1) return {{0, rows}, {0, columns}};
  // The grid of size = high x wide threads whose busiest thread has the fewest tiles; among equals the widest,
  // since horizontally adjacent threads read different parts of B.
  int best_wide = 1;
  int64 fewest = down * across + 1;
  for (int wide = team.size; wide >= 1; --wide) {
    if (team.size % wide != 0) continue;
    const int high = team.size / wide;
    const int64 most = ((down + high - 1) / high) * ((across + wide - 1) / wide);
    if (most < fewest) {
      fewest = most;
      best_wide = wide;
    }
  }
  const int high = team.size / best_wide;
  const Team vertical{team.rank / best_wide, high, team.worker},
      horizontal{team.rank % best_wide, best_wide, team.worker};
  return {vertical.share(rows, tile_rows), horizontal.share(columns, tile_columns)};
}

Rectangle share_gradient(const Team& team, bool prefer_columns, int64 inputs, int64 outputs, int64 tile_columns) {
  constexpr int64 grain = 4;  // least rows at which a tile is bound by throughput, not latency
  const bool few_rows = inputs < 2 * grain * team.size;
  if ((prefer_columns || few_rows) && outputs >= tile_columns * team.size)
    return {{0, inputs}, team.share(outputs, tile_columns)};
  return {team.share(inputs, grain), {0, outputs}};
}

}  // namespace nablas
