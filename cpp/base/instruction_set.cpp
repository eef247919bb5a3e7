#include "base/instruction_set.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace nablas {
#if defined(__x86_64__)
namespace {

struct Registers {
  unsigned a, b, c, d;
};

Registers cpuid(unsigned leaf) {
  Registers r{0, 0, 0, 0};
  __get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d);
  return r;
}

bool has(unsigned value, unsigned bits) { return (value & bits) == bits; }

// The register states that the operating system saves (XCR0).
unsigned saved_states() {
  constexpr unsigned osxsave = 1u << 27;
  if (!has(cpuid(1).c, osxsave)) return 0;
  unsigned low, high;
  __asm__ __volatile__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool has_v3() {
  constexpr unsigned fma = 1u << 12, movbe = 1u << 22, avx = 1u << 28, f16c = 1u << 29;
  constexpr unsigned bmi1 = 1u << 3, avx2 = 1u << 5, bmi2 = 1u << 8, lzcnt = 1u << 5;
  constexpr unsigned xmm_ymm = 0x6;
  return has(saved_states(), xmm_ymm) && has(cpuid(1).c, fma | movbe | avx | f16c) &&
         has(cpuid(7).b, bmi1 | avx2 | bmi2) && has(cpuid(0x80000001u).c, lzcnt);
}

bool has_v4() {
  constexpr unsigned f = 1u << 16, dq = 1u << 17, cd = 1u << 28, bw = 1u << 30, vl = 1u << 31;
  constexpr unsigned xmm_ymm_zmm = 0xe6;
  return has_v3() && has(saved_states(), xmm_ymm_zmm) && has(cpuid(7).b, f | dq | cd | bw | vl);
}

}  // namespace

bool supported(InstructionSet level) {
  switch (level) {
    case InstructionSet::x86_64_v3:
      return has_v3();
    case InstructionSet::x86_64_v4:
      return has_v4();
    case InstructionSet::generic:
    case InstructionSet::x86_64:
      return true;
    case InstructionSet::arm64:
      return false;
  }
  return false;
}
#else
bool supported(InstructionSet) { return true; }
#endif
}  // namespace nablas
