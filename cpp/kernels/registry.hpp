// Registries: a list of structs, and the table of entries made from it.
//
// To add an entry: a struct in the registry's header and its name in the list. Loops over arrays, Python names, error
// messages and tests are generated from the table.
#pragma once

#include <type_traits>

#include "kernels/table.hpp"

namespace nablas {
namespace {

template <class... Entries>
struct List {};

// Maker::entry<E>() for every E of a List.
template <class Maker, class Entries>
struct Registry;
template <class Maker, class... E>
struct Registry<Maker, List<E...>> {
  static constexpr typename Maker::Entry entries[] = {Maker::template entry<E>()...};
  static constexpr int count = sizeof...(E);
};

// The place of `Entry` in a List.
template <class Entry, class... E>
constexpr int index_of(List<E...>) {
  int i = 0, found = -1;
  ((found = std::is_same_v<Entry, E> ? i : found, ++i), ...);
  return found;
}

// Bounds of hyperparameters: the least positive normal number as `lowest`; no upper bound as `end`.
constexpr double above_zero = __DBL_MIN__, unbounded = __builtin_inf();

template <class Entry>
constexpr void copy_hyperparameters(const Hyperparameter (&from)[max_hyperparameters], Entry& entry) {
  for (int i = 0; i < max_hyperparameters; ++i) entry.hyperparameters[i] = from[i];
}

}  // namespace
}  // namespace nablas
