#include "bindings/gil.hpp"

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/parallel.hpp"

namespace nablas {
namespace {

std::atomic<bool> ended{false};
std::atomic<int> sections{0};  // under way; a thread counts until it has the lock again

[[noreturn]] void wait_for_the_end_of_the_process() {
  sections.fetch_sub(1);
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace

GilReleased::GilReleased() {
  sections.fetch_add(1);
  state_ = PyEval_SaveThread();
}

void GilReleased::check_signals() {
  if (ended.load()) wait_for_the_end_of_the_process();
  PyEval_RestoreThread(state_);
  if (PyErr_CheckSignals() != 0) {
    state_ = nullptr;
    sections.fetch_sub(1);
    throw pybind11::error_already_set();
  }
  state_ = PyEval_SaveThread();
}

GilReleased::~GilReleased() {
  if (state_ == nullptr) return;
  if (ended.load()) wait_for_the_end_of_the_process();
  PyEval_RestoreThread(state_);
  sections.fetch_sub(1);
  if (take_shortage() && !PyErr_Occurred() &&
      PyErr_WarnEx(PyExc_RuntimeWarning, "nablas: no more threads could be started; it goes on with fewer", 1) != 0)
    PyErr_WriteUnraisable(nullptr);
}

int end_sections(double seconds) {
  ended.store(true);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  PyThreadState* const state = PyEval_SaveThread();
  while (sections.load() > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  PyEval_RestoreThread(state);
  return sections.load();
}

}  // namespace nablas
