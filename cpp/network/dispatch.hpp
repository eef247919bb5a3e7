// The kernels in use: the best instruction set this machine has, or the one NABLAS_ISA names.
#pragma once

#include <string>
#include <vector>

#include "kernels/table.hpp"

namespace nablas {

// The table in use, chosen at the first call. Throws std::runtime_error when NABLAS_ISA names an
// instruction set that was not built or that this machine lacks.
template <class T>
const Kernels<T>& kernels();

// The table of the first instruction set built, for what all tables have in common: names, counts, defaults.
template <class T>
const Kernels<T>& any_kernels();

// The instruction sets that were built and that this machine supports, simplest first.
std::vector<std::string> available_instruction_sets();

// Switches the table at run time; for tests and measurements. Throws std::runtime_error like kernels().
void use_instruction_set(const std::string& name);

}  // namespace nablas
