// Text of the environment in messages.
#pragma once

#include <string>

namespace nablas {

// `text` with an escape \xNN for each byte that is no printable ASCII: a message must be UTF-8.
inline std::string printable(const std::string& text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string shown;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte >= 0x20 && byte < 0x7f)
      shown += letter;
    else
      (shown += "\\x") += {digits[byte >> 4], digits[byte & 15]};
  }
  return shown;
}

}  // namespace nablas
