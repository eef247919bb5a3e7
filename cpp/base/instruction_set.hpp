// Which instruction sets this processor and its operating system support.
#pragma once

namespace nablas {

// The x86_64 levels are the psABI's; arm64 and generic stand for the compiler's default there.
enum class InstructionSet { generic, arm64, x86_64, x86_64_v3, x86_64_v4 };

// cpuid says what the processor can do, xgetbv whether the system saves the wider registers. Asked only
// about instruction sets that were built for this architecture.
bool supported(InstructionSet level);

}  // namespace nablas
