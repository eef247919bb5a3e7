// Teams of std::threads. Each thread that runs phases (a leader) has helpers of its own, which sleep between runs and
// end with their leader. They are detached: neither a leader's end nor the process's exit waits for them.
#include <algorithm>
#include <memory>
#include <thread>

#include "base/claims.hpp"
#include "base/signals.hpp"
#include "base/team.hpp"

namespace nablas {
namespace {

thread_local bool within = false;

class Leader {
 public:
  ~Leader() {
    if (claims_ && !in_forked_process()) claims_->close();
  }

  Effort run(int threads, int parts_each, Phases& phases) {
    const int size = grow(threads);
    if (size == 1) return run_phases(1, 1, phases);
    claims_->begin(size, parts_each, phases);
    within = true;
    const Effort effort = claims_->lead();
    within = false;
    return effort;
  }

 private:
  // At most `threads`: as many as there are or can be started. Once starting one has failed, no more is tried.
  int grow(int threads) noexcept {
    if (threads > 1 + helpers_ && !short_) {
      const SignalsBlocked blocked;
      try {
        if (!claims_) claims_ = std::make_shared<Claims>(most_threads(), allowed_processors());
        for (; 1 + helpers_ < threads; ++helpers_)
          std::thread([claims = claims_, thread = 1 + helpers_] {
            within = true;
            claims->serve(thread);
          }).detach();
      } catch (...) {  // std::system_error or std::bad_alloc
        short_ = true;
        report_shortage();
      }
    }
    return std::min(threads, 1 + helpers_);
  }

  std::shared_ptr<Claims> claims_;
  int helpers_ = 0;
  bool short_ = false;
};

Effort run_threads(int threads, int parts_each, Phases& phases) {
  static thread_local Leader leader;
  return leader.run(threads, parts_each, phases);
}

}  // namespace

const TeamBackend thread_team{"threads", run_threads, [] { return within; }};

}  // namespace nablas
