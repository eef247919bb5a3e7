// Backends of base/parallel: who does the parts of a run of phases. They differ only in how threads are started, woken
// and joined; a new one is an entry here and a line in find_backend (parallel.cpp). Who does which part: claims.hpp.
#pragma once

#include "base/parallel.hpp"

namespace nablas {

struct TeamBackend {
  const char* name;
  // The phases on `threads` threads (at least 2), or on fewer if no more can be started.
  Effort (*run_phases)(int threads, int parts_each, Phases&);
  // Whether the calling thread is doing a part.
  bool (*in_team)();
};

#ifdef _OPENMP
extern const TeamBackend openmp_team;
#endif
extern const TeamBackend thread_team;

bool in_forked_process();
// A team got fewer threads than it asked for; see take_shortage.
void report_shortage();

}  // namespace nablas
