// Which threads take the process's signals.
#pragma once

#if defined(__unix__) || defined(__APPLE__)
#include <signal.h>
#endif

namespace nablas {

// Signals are for the interpreter's threads: the helpers started while this lives block all of them but those of their
// own faults, for which the process may have a handler.
class SignalsBlocked {
 public:
#if defined(__unix__) || defined(__APPLE__)
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
#endif
};

}  // namespace nablas
