// Sums over rows in float64, in the order of longest_sum's rule (base/types.hpp).
#pragma once

#include "base/types.hpp"

namespace nablas {

class LongSum {
 public:
  // `x` is the sum of the next `terms` terms; these do not cross a multiple of longest_sum.
  void add(double x, int64 terms = 1) {
    if (terms == 0) return;
    block_ += x;
    terms_ += terms;
    if (terms_ % longest_sum == 0) keep_block();
  }
  double total() const {
    int top = sums_of(terms_ / longest_sum);
    double sum = terms_ % longest_sum == 0 && top > 0 ? partial_[--top] : block_;
    while (top > 0) sum += partial_[--top];
    return sum;
  }
  void reset() { block_ = 0, terms_ = 0; }

  // A sum of `terms` terms as `numbers(terms)` numbers, from which it goes on.
  static int numbers(int64 terms) { return 1 + sums_of(terms / longest_sum); }
  void write(double* to) const {
    *to++ = block_;
    for (int i = 0; i < sums_of(terms_ / longest_sum); ++i) *to++ = partial_[i];
  }
  void read(const double* from, int64 terms) {
    block_ = *from++, terms_ = terms;
    for (int i = 0; i < sums_of(terms / longest_sum); ++i) partial_[i] = *from++;
  }

  // Sums in `partial_` after so many blocks: each is of twice as many blocks as the next, or more.
  static int sums_of(int64 blocks) {
    int sums = 0;
    for (; blocks > 0; blocks /= 2) sums += static_cast<int>(blocks % 2);
    return sums;
  }

 private:
  void keep_block() {
    const int64 blocks = terms_ / longest_sum;
    int top = sums_of(blocks - 1);
    for (int64 done = blocks; done % 2 == 0; done /= 2) block_ += partial_[--top];
    partial_[top] = block_;
    block_ = 0;
  }

  double block_ = 0;
  int64 terms_ = 0;
  double partial_[52];
};

// The sum of values[0] to values[count - 1], each the sum of `terms` terms; `terms` divides longest_sum.
inline double long_sum(const double* values, int64 count, int64 terms) {
  LongSum sum;
  for (int64 i = 0; i < count; ++i) sum.add(values[i], terms);
  return sum.total();
}

}  // namespace nablas
