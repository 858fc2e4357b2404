/*
 * login: the handshake between master, gate, auth and session, for spin. What it stands
 * for is named beside it: functions of src/master (attempt.c, outcome.c, parting.c),
 * src/warm/warm.c and src/session/main.c.
 *
 * The gate is hostile: it claims, closes its verdict channel, stays or leaves as it likes.
 * Auth and sessions crash or hang at any point; the session's parent dies once, with or
 * without an identity that it had taken. Deadlines may pass at any moment.
 *
 * Safety: READY answers the claim that it was verified for; one session at most speaks on
 * a verdict channel; a turn is held by whom auth serves or is to serve; a row that is
 * freed has no process any more. Liveness: every run is finite (claims are), so who waits
 * for ever is seen as an end state that is none: a row that is not free.
 *
 * SEED_*: errors of the past, or that a change might bring; tests/model/login.py wants each
 * of them found.
 */
#ifndef N
#define N 1 /* connections */
#endif
#ifndef CLAIMS
#define CLAIMS 2 /* of each */
#endif
#define MOST 1 /* claims in flight: src/master/queue.c */

mtype = { WAITING, QUEUED, BUSY, TARPIT, OPENING, PARTED, FREE } /* row.h */
mtype = { CLAIM, BATON, READY, FAIL, TEMP, STARTED, ENDED, OBEYED }
mtype = { DONE, REFUSED, MORE, CRASH }

/* A verdict channel: what lies on it in each direction, whether the gate holds its end. */
chan up0 = [3] of { mtype, byte };
chan up1 = [3] of { mtype, byte };
chan down0 = [3] of { mtype, byte };
chan down1 = [3] of { mtype, byte };
chan up[2];
chan down[2];
bool open[N], master_holds[N];

chan to_auth = [1] of { byte };	      /* errand.c: it takes a few only */
chan identity = [2] of { byte, byte }; /* connection, claim */
chan kills = [3] of { byte };	      /* KILL to the session's parent */
chan told_auth = [2] of { mtype, byte };
chan told_session = [6] of { mtype, byte, byte };
chan told_gate = [2] of { byte };
chan died = [1] of { byte };

mtype state[N];
bool gate[N], auth[N], session[N];	   /* parts, as the master believes */
bool gate_lives[N], auth_lives[N], session_lives[N]; /* as it is */
bool began[N], turn[N], errand[N], doubt[N], asked[N], unwanted[N], ended[N], said_no[N], orphan[N];
bool kill_gate[N], kill_auth[N];
byte in_flight, questions[N];

/* --- the gate ---------------------------------------------------------------------- */

proctype gate_child(byte c)
{
	byte claim = 0, answer;
	mtype kind;
	bool asking = false, stays = false;
	do
	:: atomic { gate_lives[c] && open[c] && master_holds[c] && !asking && claim < CLAIMS ->
		claim++;
		up[c]!CLAIM(claim);
		asking = true }
	:: atomic { gate_lives[c] && open[c] && down[c]?[kind, answer] ->
		down[c]?kind(answer);
		if
		:: kind == READY ->
			assert(answer == claim && asking); /* nobody else's */
			up[c]!BATON(claim);
			open[c] = false
		:: else -> asking = false
		fi }
	:: atomic { gate_lives[c] && open[c] -> open[c] = false } /* and stays */
	:: atomic { gate_lives[c] && !open[c] && !stays -> stays = true } /* for ever */
	:: atomic { gate_lives[c] && !open[c] && !stays && !session_lives[c] ->
		break } /* relay_run() */
	:: atomic { kill_gate[c] -> break }
	od;
	atomic {
		gate_lives[c] = false;
		open[c] = false;
		told_gate!c
	}
}

/* --- auth ------------------------------------------------------------------------- */

proctype auth_child(byte c)
{
	byte claim;
	mtype how = CRASH;
	if
	:: atomic { up[c]?[CLAIM, claim] -> up[c]?CLAIM(claim) };
		if
		:: how = REFUSED
		:: how = MORE; atomic { if :: open[c] -> down[c]!TEMP(claim) :: else fi }
		:: identity!c, claim; /* hand_over() */
			if
			:: how = DONE
			:: skip
			:: kill_auth[c]
			fi
		:: skip
		:: kill_auth[c]
		fi
	:: kill_auth[c]
	fi;
	atomic {
		auth_lives[c] = false;
		kill_auth[c] = false;
		told_auth!how(c)
	}
}

active proctype auth_parent()
{
	byte c;
end:	do
	:: atomic { to_auth?c ->
		run auth_child(c) }
	od
}

/* --- sessions --------------------------------------------------------------------- */

proctype session_child(byte c; byte claim)
{
	bool said = false, serves = false;
	if
	:: atomic { session_lives[c] && open[c] -> down[c]!READY(claim); said = true };
		if
		:: atomic { session_lives[c] && up[c]?[BATON, claim] ->
			up[c]?BATON(claim);
			serves = true };
			skip /* as long as the client likes */
		:: session_lives[c] && !open[c] && !(up[c]?[BATON, claim]) /* no baton */
		:: !session_lives[c] /* KILL */
		fi
	:: atomic { session_lives[c] && open[c] -> down[c]!TEMP(claim); said = true }
	:: session_lives[c] /* it crashes, or finds the hang-up */
	:: !session_lives[c]
	fi;
	atomic {
		session_lives[c] = false;
#ifdef SEED_ORPHAN
		if
		:: orphan[c]
		:: else -> told_session!ENDED(c, said && !serves)
		fi
#else
		told_session!ENDED(c, said && !serves)
#endif
	}
}

inline begin_session(c, claim)
{
	assert(!session_lives[c]);
	session_lives[c] = true;
	told_session!STARTED(c, claim);
	run session_child(c, claim)
}

/* warm.c: obey_kill() takes what auth gave before. */
active proctype session_parent()
{
	byte c, claim, whom;
	bool dead = false;
end:	do
	:: atomic { identity?c, claim -> begin_session(c, claim) }
	:: atomic { kills?whom ->
#ifndef SEED_KILL
		do
		:: nempty(identity) -> identity?c, claim; begin_session(c, claim)
		:: empty(identity) -> break
		od;
#endif
		if
		:: session_lives[whom] ->
			session_lives[whom] = false;
			told_session!OBEYED(whom, 1)
		:: else -> told_session!OBEYED(whom, 0)
		fi }
	:: atomic { !dead -> /* with an identity that it had taken, or without */
		dead = true;
		if
		:: nempty(identity) -> identity?c, claim
		:: skip
		fi;
		for (c : 0 .. N - 1) { orphan[c] = session_lives[c] } }
	od
}

/* --- the master ------------------------------------------------------------------- */

inline drain(c) /* discard_claim() */
{
	do
	:: nempty(up[c]) -> up[c]?_, _
	:: empty(up[c]) -> break
	od
}

inline answer(c, kind) /* attempt_answer() */
{
	if
	:: open[c] && len(down[c]) < 3 -> down[c]!kind(0)
	:: else
	fi;
	state[c] = WAITING
}

inline settle(c) /* attempt_settle() */
{
	if
	:: turn[c] && !auth[c] && !errand[c] ->
		turn[c] = false;
		in_flight--
	:: else
	fi;
	assert(turn[c] == (auth[c] || errand[c]));
	if
	:: state[c] == PARTED && !gate[c] && !auth[c] && !session[c] ->
		assert(!gate_lives[c] && !auth_lives[c] && !session_lives[c]);
		state[c] = FREE
	:: else
	fi
}

inline part(c) /* attempt_part() */
{
#ifdef SEED_TURN
	if
	:: errand[c] -> errand[c] = false; auth[c] = true
	:: else
	fi;
#endif
	errand[c] = false;
	master_holds[c] = false;
	state[c] = PARTED;
	settle(c)
}

inline ask_session(c) /* errand_kill() */
{
	if
	:: !asked[c] -> asked[c] = true; questions[c]++; kills!c
	:: else
	fi
}

inline end_row(c) /* attempt_end() */
{
	unwanted[c] = true;
	if :: gate[c] -> kill_gate[c] = true :: else fi;
	if :: auth[c] -> kill_auth[c] = auth_lives[c] :: else fi;
	if :: session[c] -> ask_session(c) :: else fi;
	if :: state[c] != PARTED -> part(c) :: else fi
}

inline accepted(c)
{
	doubt[c] = false;
	if :: !ended[c] -> session[c] = true :: else fi;
	if :: unwanted[c] && !ended[c] -> ask_session(c) :: else fi;
	if
	:: state[c] == BUSY && !ended[c] -> state[c] = OPENING
	:: state[c] == BUSY && ended[c] && said_no[c] -> state[c] = WAITING
	:: state[c] == BUSY && ended[c] && !said_no[c] -> drain(c); answer(c, TEMP)
	:: else
	fi
}

inline auth_failed(c)
{
	if
	:: session[c] || ended[c] -> accepted(c)
	:: else ->
		session[c] = true; /* wonder(): until it is known */
		doubt[c] = true;
		if :: state[c] == BUSY -> state[c] = OPENING :: else fi
	fi
}

inline auth_ended(c, how) /* outcome_auth() */
{
	auth[c] = false;
	if
	:: how == DONE -> accepted(c)
	:: how == REFUSED && state[c] == BUSY -> state[c] = TARPIT
	:: how == MORE && state[c] == BUSY -> state[c] = WAITING
	:: how == CRASH -> auth_failed(c)
	:: else
	fi;
	settle(c)
}

inline session_told(what, c, said)
{
	if
	:: state[c] == FREE
	:: state[c] != FREE && what == STARTED ->
		session[c] = true;
		began[c] = true;
		doubt[c] = false;
		if :: unwanted[c] -> ask_session(c) :: else fi
	:: state[c] != FREE && what == ENDED ->
		session[c] = false;
		began[c] = false;
		doubt[c] = false;
		ended[c] = true;
		said_no[c] = said;
		if
		:: state[c] == OPENING && said -> state[c] = WAITING
		:: state[c] == OPENING && !said -> answer(c, TEMP)
		:: else
		fi
	:: state[c] != FREE && what == OBEYED -> /* obeyed() */
		questions[c]--;
		if
#ifdef SEED_STALE
		:: asked[c] && !said && !began[c] ->
#else
		:: asked[c] && !said && !began[c] && questions[c] == 0 ->
#endif
			asked[c] = false;
			session[c] = false;
			if
			:: state[c] == OPENING -> drain(c); answer(c, TEMP)
			:: else
			fi
		:: else
		fi
	fi;
	if :: state[c] != FREE -> settle(c) :: else fi
}

/* row_is_session(): the one part without a deadline. */
#define IS_SESSION(c) (session[c] && began[c] && !unwanted[c])

#ifdef SEED_GATE
#define GATE_DUE(c) false
#else
#define GATE_DUE(c) (gate[c] && !kill_gate[c] && !IS_SESSION(c))
#endif
#ifdef SEED_PARENT
#define SESSION_DUE(c) false
#else
#define SESSION_DUE(c) (session[c] && !asked[c] && !IS_SESSION(c))
#endif

inline deadline(c) /* on_step(), attempt_chase() */
{
	if
	:: state[c] == TARPIT -> answer(c, FAIL)
	:: state[c] == BUSY && errand[c] -> /* outcome_not_asked() */
		errand[c] = false;
		settle(c);
		drain(c);
		answer(c, TEMP)
	:: state[c] == BUSY && auth[c] -> kill_auth[c] = auth_lives[c]
#ifdef SEED_DOUBT
	:: state[c] == OPENING && doubt[c] ->
		doubt[c] = false;
		session[c] = false;
		drain(c);
		answer(c, TEMP)
	:: state[c] == OPENING && !doubt[c] -> ask_session(c)
#else
	:: state[c] == OPENING -> ask_session(c) /* outcome_ask(), late() */
#endif
	:: state[c] == PARTED ->
		if :: GATE_DUE(c) -> kill_gate[c] = true :: else fi;
		if :: SESSION_DUE(c) -> ask_session(c) :: else fi;
		if :: auth[c] -> kill_auth[c] = auth_lives[c] :: else fi
	:: else
	fi
}

/* Does the deadline find anything to do? Else it would only pass again and again. */
#define DUE(c) (state[c] == TARPIT || (state[c] == BUSY && errand[c]) || \
	((state[c] == BUSY || state[c] == PARTED) && auth_lives[c] && !kill_auth[c]) || \
	(state[c] == OPENING && !asked[c]) || \
	(state[c] == PARTED && (GATE_DUE(c) || SESSION_DUE(c))))

/* What the master sees of one row; on_verdict(), attempt_turns(), hand_over(), timers. */
#define ROW(i) \
	:: atomic { state[i] == WAITING && nempty(up[i]) && open[i] -> state[i] = QUEUED } \
	:: atomic { state[i] == QUEUED && in_flight < MOST -> c = i; take_turn(c) } \
	:: atomic { errand[i] && nfull(to_auth) -> \
		errand[i] = false; auth[i] = true; auth_lives[i] = true; to_auth!i } \
	:: atomic { !open[i] && state[i] != PARTED && state[i] != FREE -> c = i; part(c) } \
	:: atomic { DUE(i) -> c = i; deadline(c) } \
	:: atomic { state[i] == WAITING && gate[i] -> c = i; end_row(c) } /* on_login() */

inline take_turn(c)
{
	state[c] = BUSY;
	turn[c] = true;
	in_flight++;
	errand[c] = true;
	doubt[c] = false;
	asked[c] = false;
	began[c] = false;
	ended[c] = false
}

active proctype master()
{
	byte c, said;
	mtype what;
	bool kicked;
	/* A kick helps everybody who waits, so there are runs without one. */
	select(kicked : 0 .. 1);
	up[0] = up0; up[1] = up1; down[0] = down0; down[1] = down1;
	for (c : 0 .. N - 1) {
		state[c] = WAITING;
		gate[c] = true;
		gate_lives[c] = true;
		open[c] = true;
		master_holds[c] = true;
		run gate_child(c)
	}
	c = 0;
	do
	:: atomic { told_auth?what(c) -> auth_ended(c, what) }
	:: atomic { told_session?what(c, said) -> session_told(what, c, said) }
	:: atomic { told_gate?c -> /* gate_ended() */
		gate[c] = false;
		if
		:: state[c] != PARTED -> part(c)
		:: else -> settle(c)
		fi }
	:: atomic { !kicked -> /* control.c: kick_row() */
		kicked = true;
		select(c : 0 .. N - 1);
		if :: state[c] != FREE -> end_row(c) :: else fi }
	ROW(0)
#if N > 1
	ROW(1)
	:: state[0] == FREE && state[1] == FREE -> break
#else
	:: state[0] == FREE -> break
#endif
	od;
	/* All rows are free: the one end that is none of somebody who waits. */
end:	do
	:: told_auth?_, _
	:: told_session?_, _, _
	:: told_gate?_
	od
}
