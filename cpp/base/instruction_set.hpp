// Which instruction sets this processor and its operating system support.
#pragma once

namespace nablas {

// The x86_64 levels are the psABI's; arm64 and generic are the compiler's default targets.
enum class InstructionSet { generic, arm64, x86_64, x86_64_v3, x86_64_v4 };

// cpuid tells what the processor supports, xgetbv whether the operating system saves the wider registers.
// `level` must be built for this architecture.
bool supported(InstructionSet level);

}  // namespace nablas
