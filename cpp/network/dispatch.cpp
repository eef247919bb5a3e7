#include "network/dispatch.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "base/instruction_set.hpp"
#include "base/text.hpp"
#include "instruction_sets.hpp"  // from CMake: NABLAS_INSTRUCTION_SETS(X) is X(name) for each one built

namespace nablas {

#define NABLAS_DECLARE(name)                          \
  extern const Kernels<float> kernels_##name##_float; \
  extern const Kernels<double> kernels_##name##_double;
NABLAS_INSTRUCTION_SETS(NABLAS_DECLARE)

namespace {

struct Built {
  const char* name;
  InstructionSet level;
  const Kernels<float>* float32;
  const Kernels<double>* float64;
};
#define NABLAS_ENTRY(name) {#name, InstructionSet::name, &kernels_##name##_float, &kernels_##name##_double},
const Built built[] = {NABLAS_INSTRUCTION_SETS(NABLAS_ENTRY)};

std::atomic<const Built*> in_use{nullptr};

const Built* find(const std::string& name) {
  std::string choices;
  for (const Built& entry : built) {
    if (!supported(entry.level)) continue;
    if (name == entry.name) return &entry;
    choices += (choices.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw std::runtime_error("NABLAS_ISA: expected one of " + choices +
                           " (what this build and this processor have), got '" + printable(name) + "'");
}

const Built* choose() {
  if (const char* name = std::getenv("NABLAS_ISA"); name != nullptr && *name != '\0') return find(name);
  const Built* best = &built[0];
  for (const Built& entry : built)
    if (supported(entry.level)) best = &entry;
  return best;
}

const Built& current() {
  const Built* entry = in_use.load(std::memory_order_acquire);
  if (entry == nullptr) {
    entry = choose();
    in_use.store(entry, std::memory_order_release);
  }
  return *entry;
}

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
  return *current().float32;
}
template <>
const Kernels<double>& kernels<double>() {
  return *current().float64;
}
template <>
const Kernels<float>& any_kernels<float>() {
  return *built[0].float32;
}
template <>
const Kernels<double>& any_kernels<double>() {
  return *built[0].float64;
}

std::vector<std::string> available_instruction_sets() {
  std::vector<std::string> names;
  for (const Built& entry : built)
    if (supported(entry.level)) names.push_back(entry.name);
  return names;
}

void use_instruction_set(const std::string& name) { in_use.store(find(name), std::memory_order_release); }

}  // namespace nablas
