// Owned, 64-byte aligned memory. Contents are indeterminate unless said otherwise.
#pragma once

#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "base/types.hpp"

namespace nablas {

constexpr std::size_t buffer_alignment = 64;

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64 size) { reserve(size); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() { ::operator delete(data_, std::align_val_t{buffer_alignment}); }

  // Grows to at least `size` elements. Growing discards the contents. Throws std::bad_alloc.
  void reserve(int64 size) {
    if (size >= 0 && size <= size_) return;
    if (size < 0 || static_cast<std::uint64_t>(size) > std::numeric_limits<std::int64_t>::max() / sizeof(T))
      throw std::bad_alloc();
    Buffer fresh;
    fresh.data_ = static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t{buffer_alignment}));
    fresh.size_ = size;
    swap(fresh);
  }
  void fill_zero() {
    if (size_ > 0) std::memset(static_cast<void*>(data_), 0, size_ * sizeof(T));
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  int64 size() const { return size_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  T* data_ = nullptr;
  int64 size_ = 0;
};

}  // namespace nablas
