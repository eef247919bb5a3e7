#include "bindings/gil.hpp"

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "base/parallel.hpp"

namespace nablas {
namespace {

std::atomic<bool> ended{false};
std::atomic<int> sections{0};            // under way; a thread counts until it has the lock again
thread_local int own_sections = 0;       // of this thread; several where a signal handler calls nablas within one
thread_local bool still_served = false;  // the thread that ends the process, and those begun since: they get the lock
thread_local bool seen = false;          // this thread has had a section
thread_local bool late = false;          // its section began when `ended` was set

void begin_section() {
  late = ended.load();
  if (!seen && late) still_served = true;
  seen = true;
  sections.fetch_add(1);
  ++own_sections;
}
void end_section() {
  sections.fetch_sub(1);
  --own_sections;
}

// In a forked child only the forking thread is left.
const bool fork_handler_installed = [] {
#if defined(__unix__) || defined(__APPLE__)
  pthread_atfork(nullptr, nullptr, [] { sections.store(own_sections); });
#endif
  return true;
}();

bool finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

// Called before a thread asks for the lock: CPython ends a thread that does so after the interpreter's end. Functions
// that were registered with atexit before nablas run after `end_sections` and may wait for this thread: one whose
// section began since goes on, unless the interpreter ends within a moment.
void wait_if_ended() {
  if (!ended.load() || still_served) return;
  if (late) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  if (late && !finalizing()) return;
  end_section();
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace

GilReleased::GilReleased() {
  begin_section();
  state_ = PyEval_SaveThread();
}

void GilReleased::check_signals() {
  wait_if_ended();
  PyEval_RestoreThread(state_);
  if (PyErr_CheckSignals() != 0) {
    state_ = nullptr;
    end_section();
    throw pybind11::error_already_set();
  }
  state_ = PyEval_SaveThread();
}

GilReleased::~GilReleased() {
  if (state_ == nullptr) return;
  wait_if_ended();
  PyEval_RestoreThread(state_);
  end_section();
  if (take_shortage() && !PyErr_Occurred() &&
      PyErr_WarnEx(PyExc_RuntimeWarning, "nablas: no more threads could be started; it goes on with fewer", 1) != 0)
    PyErr_WriteUnraisable(nullptr);
}

int end_sections(double seconds) {
  still_served = true;
  ended.store(true);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  PyThreadState* const state = PyEval_SaveThread();
  while (sections.load() > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  PyEval_RestoreThread(state);
  return sections.load();
}

}  // namespace nablas
