/* The team of std::threads: cpp/base/team_threads.cpp (Leader::run, help, ~Leader), Barrier::wait of cpp/base/parallel.cpp,
   and the claim of a network (Claim of cpp/base/lock.hpp: take, release).

   One leader with HELPERS helpers runs JOBS regions of PHASES phases with a barrier after each phase but the last; two callers
   try to train with it. spin checks: no state without a way on but the end; nobody reads a job's members or its barrier
   outside the region; every part of a phase is done once, and before any part of the next; one training at a time.

   spin -run -m200000 team.pml */

#define HELPERS 2
#define PHASES 3
#define JOBS 2

byte number, size;                  /* Shared::job, one atomic word: written together */
bool finish;                        /* Shared::end */
byte ended;                         /* Shared::ended */
bool open;                          /* body, context and barrier may be read */
byte arrived, round;                /* Barrier */
byte done[PHASES];                  /* parts of the present job, by phase */
bool locked, asleep[HELPERS + 1];   /* Shared::mutex, and who waits at Shared::wake */
bool claimed;                       /* Claim */
byte training;                      /* callers between take and release */

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

inline wait_for_all() {             /* Barrier::wait(size) */
  my_round = round;
  atomic { assert(open); arrived++; last = (arrived == mine) }
  if
  :: last -> arrived = 0; round = my_round + 1
  :: else -> (round == my_round + 1); assert(open)
  fi
}

inline body() {                     /* one part of every phase */
  phase = 0;
  do
  :: phase < PHASES ->
     assert(phase == 0 || done[phase - 1] == mine);
     atomic { done[phase]++; assert(done[phase] <= mine) }
     phase++;
     if
     :: phase < PHASES && mine > 1 -> wait_for_all()
     :: else -> skip
     fi
  :: else -> break
  od
}

proctype Helper(byte rank; byte seen) {
  byte mine, my_round, phase;
  bool last;
  do
  :: true ->
     if                             /* spin, or sleep at the condition variable */
     :: number != seen || finish -> skip
     :: lock();
        do
        :: number == seen && !finish ->
           atomic { locked = false; asleep[rank] = true };
           !asleep[rank];
           lock()
        :: else -> break
        od;
        unlock()
     fi;
     if
     :: finish -> break
     :: else
     fi;
     atomic { seen = number; mine = size };
     if
     :: rank >= mine -> skip
     :: else -> body(); ended++
     fi
  od
}

inline region(threads) {               /* Leader::run */
  mine = threads;
  if
  :: mine > 1 + started -> started++; run Helper(started, number)
  :: else
  fi;
  if
  :: mine > 1 + started -> mine = 1 + started  /* no more threads could be started */
  :: mine > 1 + started -> started++; run Helper(started, number)
  :: else
  fi;
  atomic { phase = 0; do :: phase < PHASES -> done[phase] = 0; phase++ :: else -> break od };
  arrived = 0; round = 0;
  open = true;
  if
  :: mine > 1 ->
     ended = 0;
     lock();
     atomic { number++; size = mine };
     unlock();
     atomic { asleep[1] = false; asleep[2] = false }
  :: else
  fi;
  body();
  if
  :: mine > 1 -> (ended == mine - 1)
  :: else
  fi;
  assert(done[PHASES - 1] == mine);
  open = false
}

proctype Caller(chan turn) {        /* a second training is refused */
  bool got;
  atomic { got = !claimed; claimed = true };
  if
  :: got -> training++; assert(training == 1); turn ! 1; turn ? _; training--; claimed = false
  :: else -> turn ! 0
  fi
}

chan first = [0] of { byte };
chan second = [0] of { byte };

init {
  byte mine, my_round, phase, started, left, told;
  bool last;
  run Caller(first);
  run Caller(second);
  left = 2;
  do
  :: left > 0 ->
     if
     :: first ? told -> if :: told == 1 -> region(3); first ! 0 :: else fi
     :: second ? told -> if :: told == 1 -> region(2); second ! 0 :: else fi
     fi;
     left--
  :: else -> break
  od;
  lock();                           /* ~Leader */
  finish = true;
  unlock();
  atomic { asleep[1] = false; asleep[2] = false }
}
