/* The team that claims parts: Claims::begin, lead, work, take, wait, serve and close of cpp/base/claims.cpp, wake and
   sleep_while_set of cpp/base/sleep.cpp, Leader of cpp/base/team_threads.cpp.

   A leader runs phases with up to two helpers, then others with one. spin checks: no state without a way on but the end;
   nobody does a part of phases that are gone; every part of a phase is done once, after all parts of the phase before.

   spin -run -m200000 team.pml */

#define THREADS 3
#define PHASES 3

byte round = 1, size = 0;           /* Claims::word_, one atomic word: written together */
bool over = true, closed;
byte claim[THREADS];                /* Claims::parts_ */
byte done;
bool asleep[THREADS];               /* Claims::seats_ */
bool alive;                         /* the leader's Phases may be used */
byte phases, phase, did[PHASES];    /* the phases of the run, the present one, and the parts done of each */

inline look() {                     /* one load of word_ */
  atomic { r = round; n = size; e = over; c = closed; got = false; last = false; i = 0; q = 0 }
}

inline wake_all(first) {            /* those that are awake are passed over at once */
  i = first;
  do
  :: atomic { i < n && (i == me || !asleep[i]) -> i++ }
  :: atomic { i < n && i != me && asleep[i] -> asleep[i] = false; i++ }
  :: atomic { i >= n -> i = 0; break }
  od
}

inline take_part(q) {               /* Claims::take */
  atomic { got = (claim[q] == r - 1); if :: got -> claim[q] = r :: else fi };
  if
  :: got ->
     atomic {
       assert(alive && me < n);
       assert(phase == 0 || did[phase - 1] == n);
       did[phase]++;
       assert(did[phase] <= n)
     };
     atomic { done++; last = (done == n) };
     if
     :: last ->
        done = 0;
        phase++;                    /* Phases::advance */
        atomic { round = r + 1; over = (phase == phases) };
        wake_all(0)
     :: else
     fi
  :: else
  fi
}

inline wait_for_word() {            /* Claims::wait: spins, or sleeps */
  if
  :: round != r || closed -> skip
  :: asleep[me] = true;
     if
     :: round == r && !closed -> !asleep[me]
     :: else -> asleep[me] = false
     fi
  fi
}

inline work_once() {                /* Claims::work: its own part, then any, else it waits */
  take_part(me);
  q = 1;
  do
  :: !got && q < n -> take_part((me + q) % n); q++
  :: else -> break
  od;
  if
  :: !got -> wait_for_word()
  :: else
  fi
}

proctype Helper(byte me) {          /* Claims::serve */
  byte r, n, i, q;
  bool e, c, got, last;
  do
  :: look();
     if
     :: c -> break
     :: !c && (e || me >= n) -> wait_for_word()
     :: else -> work_once()
     fi
  od
}

inline region(threads, count) {     /* Leader::run */
  n = threads;
  phases = count;
  if
  :: n > 1 + started -> started++; run Helper(started)
  :: else
  fi;
  if
  :: n > 1 + started -> n = 1 + started         /* no more threads could be started */
  :: n > 1 + started -> started++; run Helper(started)
  :: else
  fi;
  phase = 0;
  atomic { i = 0; do :: i < PHASES -> did[i] = 0; i++ :: else -> break od };
  atomic { i = 0; do :: i < n -> claim[i] = round; i++ :: else -> break od; i = 0 };
  alive = true;
  atomic { round = round + 1; size = n; over = false };
  wake_all(1);
  do
  :: look();
     if
     :: e -> break
     :: else -> work_once()
     fi
  od;
  assert(did[phases - 1] == n);
  alive = false
}

init {
  byte me = 0, r, n, i, q, started;
  bool e, c, got, last;
  region(3, PHASES);
  region(2, 2);
  closed = true;                    /* ~Leader */
  n = THREADS;
  wake_all(1)
}
