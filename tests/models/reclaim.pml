/* SPDX-License-Identifier: MIT */
/*
 * reclaim.pml - deferred reclamation: section words, batches, tickets, with store buffers.
 *
 *	reader      seq := odd (may stay in the store buffer), load read, use the view and the
 *	            slot that it lists, seq := even (a release: after the uses)
 *	writer      unlink the view and publish the next, retire the old; the LIMBO slot that
 *	            the old view lists gets a ticket, and a new key once the ticket is over
 *	reclaimer   collect, count the batch, membarrier, look at each word, wait for the odd
 *	            ones to change, free
 *
 * A reader's stores go through a buffer of one entry (a second store waits for the first);
 * its loads overtake it. The membarrier empties the buffers of all readers, one by one, as it
 * interrupts one CPU after the other. That is the only thing that orders a reader here.
 *
 * What is claimed: no reader uses a view that has been freed (S1..S3), and none that holds a
 * view which lists a LIMBO slot finds another key in it (V3).
 *
 * Mutants: compile with one of the M_ names below; each has to fail.
 */
#define READERS 2
#define VIEWS 4	 /* 0 is published first, 1 replaces it, 2 replaces that; 3: memory of others */
#ifndef ROUNDS
#define ROUNDS 1 /* sections of each reader */
#endif

byte read;		  /* the published view */
bool freed[VIEWS];
bool key_changed;	  /* the slot that view 0 lists belongs to another key */

byte word[READERS];	  /* section words, as the others see them */
byte buffered[READERS];	  /* a store on its way: value + 1, 0 = none */

bool retired[VIEWS], collected[VIEWS];
byte started, ended;	  /* batches */
byte finished;

inline flush(r)
{
	d_step {
		if
		:: buffered[r] -> word[r] = buffered[r] - 1; buffered[r] = 0
		:: else -> skip
		fi
	}
}

/* The buffer drains by itself, at any time. */
proctype cpu(byte r)
{
	do
	:: atomic { buffered[r] -> word[r] = buffered[r] - 1; buffered[r] = 0 }
	:: finished == READERS && !buffered[r] -> break
	od
}

proctype reader(byte r)
{
	byte seq, round, view;

	do
	:: round < ROUNDS ->
		atomic { !buffered[r] -> buffered[r] = seq + 1 + 1 } /* smap_enter() */
		view = read;
#ifdef M_EXIT_EARLY
		atomic { !buffered[r] -> buffered[r] = seq + 2 + 1 }
#endif
		assert(!freed[view]);
		assert(view != 0 || !key_changed);
#ifndef M_EXIT_EARLY
		atomic { !buffered[r] -> buffered[r] = seq + 2 + 1 } /* smap_exit() */
#endif
		d_step { seq = seq + 2; view = 0; round++ }
	:: else -> break
	od;
	finished++
}

/* Two promotions and a rebuild after each, by whoever holds mu. */
proctype writer()
{
	byte ticket;

	retired[3] = true; /* so that a batch may be on its way already */
#ifdef M_TICKET_EARLY
	ticket = started + 1;
#endif
#ifdef M_RETIRE_FIRST
	retired[0] = true;
	read = 1;
#else
	read = 1;
	retired[0] = true;
#endif
#ifndef M_TICKET_EARLY
#ifdef M_TICKET_LOW
	ticket = started;
#else
	ticket = started + 1;
#endif
#endif
	read = 2;
	retired[1] = true;
#ifndef M_LIMBO_AT_ONCE
	ended >= ticket;
#endif
	key_changed = true
}

inline barrier()
{
#ifndef M_NO_BARRIER
	r = 0;
	do
	:: r < READERS -> flush(r); r++
	:: else -> break
	od;
#endif
	skip
}

inline look_at_words()
{
	r = 0;
	do
	:: r < READERS ->
		awaited[r] = (word[r] & 1 -> word[r] : 0); r++
	:: else -> break
	od
}

inline wait_for_readers()
{
	r = 0;
	do
	:: r < READERS ->
#ifdef M_ONE_READER
		r == 1 || !awaited[r] || word[r] != awaited[r];
#else
		!awaited[r] || word[r] != awaited[r];
#endif
		r++
	:: else -> break
	od
}

inline collect()
{
	v = 0;
	do
	:: v < VIEWS ->
		d_step {
			if
			:: retired[v] -> retired[v] = false; collected[v] = true
			:: else -> skip
			fi;
			v++
		}
	:: else -> break
	od
}

inline free_batch()
{
	v = 0;
	do
	:: v < VIEWS ->
		d_step {
			if
			:: collected[v] -> collected[v] = false; freed[v] = true
			:: else -> skip
			fi;
			v++
		}
	:: else -> break
	od;
	skip
}

proctype reclaimer()
{
	byte awaited[READERS], r, v;

	do
	:: freed[0] && freed[1] && freed[3] -> break
	:: retired[0] || retired[1] || retired[3] ->
		collect();
#ifdef M_LOOK_FIRST
		look_at_words();
#endif
		started++;
		barrier();
#ifndef M_LOOK_FIRST
		look_at_words();
#endif
#ifdef M_DONE_EARLY
		ended++;
#endif
#ifdef M_COLLECT_LATE
		collect(); /* joins the batch that is waited for already */
#endif
#ifndef M_NO_WAIT
		wait_for_readers();
#endif
		free_batch();
#ifndef M_DONE_EARLY
		ended++;
#endif
		d_step { r = 0; v = 0; awaited[0] = 0; awaited[1] = 0 }
	od
}

init
{
	atomic {
		run reader(0); run reader(1); run cpu(0); run cpu(1); run writer(); run reclaimer()
	}
}
