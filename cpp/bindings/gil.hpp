// Sections without the interpreter lock (GIL).
//
// A daemon thread may be in such a section when the interpreter ends. CPython before 3.14 ends a thread that then asks
// for the lock by unwinding its stack, which terminates a C++ process. So a handler that runs at exit (`end_sections`)
// first waits for the sections that are under way; a thread that ends one afterwards waits for the end of the process
// instead.
#pragma once

#include <Python.h>

namespace nablas {

class GilReleased {
 public:
  GilReleased();
  ~GilReleased();
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;
  // Takes the lock for a moment to run Python's signal handlers; throws what they raise (Ctrl-C). Hold no other lock:
  // a handler may call nablas.
  void check_signals();

 private:
  PyThreadState* state_;  // null: the lock is held, for an exception
};

// From now on no section of other threads that had one takes the lock again. Waits, without the lock, until those under
// way have taken it or `seconds` have passed; returns how many are still under way. Called with the lock, before the
// interpreter is finalized.
int end_sections(double seconds);

}  // namespace nablas
