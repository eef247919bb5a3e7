#include "base/lock.hpp"

#include <new>
#include <set>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <unistd.h>
#endif

namespace nablas {
namespace {

// All locks there are, for the fork handlers.
struct Registry {
  std::mutex mutex;
  std::set<Lock*> locks;
};
Registry& registry() {
  static Registry* const made = new Registry;  // never destroyed: locks may outlive other statics
  return *made;
}

long process_number() {
#if defined(__unix__) || defined(__APPLE__)
  return static_cast<long>(getpid());
#else
  return 1;
#endif
}

const bool fork_handlers_installed = [] {
#if defined(__unix__) || defined(__APPLE__)
  pthread_atfork([] { registry().mutex.lock(); }, [] { registry().mutex.unlock(); },
                 [] {
                   for (Lock* lock : registry().locks) lock->make_anew();
                   registry().mutex.unlock();
                 });
#endif
  return true;
}();

}  // namespace

Lock::Lock() {
  const std::lock_guard<std::mutex> guard(registry().mutex);
  registry().locks.insert(this);
}
Lock::~Lock() {
  const std::lock_guard<std::mutex> guard(registry().mutex);
  registry().locks.erase(this);
}

void Lock::lock() {
  const std::lock_guard<std::mutex> turn(turn_);
  inner_.lock();
}
void Lock::unlock() { inner_.unlock(); }
void Lock::lock_shared() {
  const std::lock_guard<std::mutex> turn(turn_);
  inner_.lock_shared();
}
void Lock::unlock_shared() { inner_.unlock_shared(); }
void Lock::make_anew() {
  new (&turn_) std::mutex;
  new (&inner_) std::shared_mutex;
}

bool Claim::take() {
  const long own = process_number();
  long found = process_.load();
  do {
    if (found == own) return false;
  } while (!process_.compare_exchange_weak(found, own));
  return true;
}
void Claim::release() { process_.store(0); }

}  // namespace nablas
