/* The claim of a network: Claim of cpp/base/lock.cpp (take, release). Three callers try to train; spin checks that at most one does at a
   time and that a caller is refused, not made to wait.

   spin -run claim.pml */

bool claimed;                       /* Claim */
byte training;                      /* callers between take and release */

active [3] proctype Caller() {
  bool got;
  atomic { got = !claimed; claimed = true };
  if
  :: got -> training++; assert(training == 1); training--; claimed = false
  :: else
  fi
}
