// The processors on which threads run, where the system tells (Linux).
#pragma once

namespace nablas {

// Of the calling thread at this moment; -1: unknown.
int current_processor();

// Moves the calling thread to a processor on which none of `taken` (count,) is, if it may use one. It may use the same
// processors as before afterwards.
void leave_processors(const int* taken, int count);

}  // namespace nablas
