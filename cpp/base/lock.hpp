// Locks that a forked child finds free, and claims of one process.
#pragma once

#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace nablas {

// A lock for one writer or many readers, in turn: a waiting writer lets no further reader in. A fork while another
// thread holds it leaves it free in the child.
class Lock {
 public:
  Lock();
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  void lock();
  void unlock();
  void lock_shared();
  void unlock_shared();
  void make_anew();  // in a forked child, before it has other threads

 private:
  std::mutex turn_;
  std::shared_mutex inner_;
};

// What at most one call may have at a time. In a forked child the parent's claims do not count.
class Claim {
 public:
  bool take();  // false: taken already
  void release();

 private:
  std::atomic<long> process_{0};  // that has it; 0: free
};

}  // namespace nablas
