/* SPDX-License-Identifier: MIT */
/*
 * order.pml - the memory orders: is each release and acquire of the map's protocols enough?
 *
 * The other models take one step after the other. Here memory is C11's, operationally: a location
 * is the list of all values stored to it, each with the view of its writer, that is for
 * each location the earliest value that may be read by who knows of this one. A thread has
 * such a view, too. A load takes any value that its view does not rule out, an old one if need be;
 *
 *	relaxed load    raises the thread's view of that one location
 *	acquire load    joins the view that came with the value
 *	release store   sends the thread's view along; a relaxed one only itself
 *	read-modify-write  takes the last value, and hands on the view that came with it
 *	full barrier    joins a view that all barriers share, and leaves its own there
 *	plain access    must know of the last store: anything else is a data race
 *
 * (That is Kang et al.'s view machine, POPL 2017, without promises: no load is overtaken by a later
 * store of its thread, which release stores and the processors that we run on exclude; and stores
 * to a location are ordered as they are executed.) membarrier(2) is a full barrier in
 * each thread, one after the other, between two of the caller.
 *
 * Which protocol is run is chosen first; each is as small as it can be:
 *
 *	publish    a key and its value in dirty, then read (promotion, growth, Clear)
 *	filter     the bits of dirty's keys, then the filter, in a view that is published already
 *	overwrite  a value by compare-and-swap in a cell that read lists; what it points to (G2)
 *	move       growth meanwhile: the value copied, the cell closed with MOVED; who meets that
 *	           goes on in `next`
 *	mark       a delete and a sweep: NIL and the bit of table->deleted (V6), Dekker's pattern
 *	reclaim    section word, membarrier, wait, free (the proof in smap_smr.c)
 *	gate       a snapshot: gate, membarrier, wait, copy (smap_snapshot.c)
 *
 * Mutants: each M_ name weakens one order or leaves out one barrier; each has to fail.
 */

#define LOCS 8
#define READ 0	  /* struct smap_hot.read: which view */
#define CONTENT 1 /* plain: control bytes, keys */
#define CELL 2
#define PAYLOAD 3 /* plain: what a value points to */
#define NEXT 4	  /* of the old table; or the bit; or the gate; or a view's filter */
#define MOVED_TO 5 /* the cell in the new table */
#define WORD 6	  /* a section word */
#define USE 7	  /* plain: a reader uses what it found in its section */
#define BIT NEXT
#define GATE NEXT
#define FILTER NEXT
#define FILTER_WORD CELL

#define NIL 0
#define MOVED 3

#define RELAXED 0
#define ORDERED 1 /* acquire for loads, release for stores, both for the rest */

#ifdef M_READ_STORED_RELAXED
#define READ_STORE RELAXED
#else
#define READ_STORE ORDERED
#endif
#ifdef M_READ_LOADED_RELAXED
#define READ_LOAD RELAXED
#else
#define READ_LOAD ORDERED
#endif
#ifdef M_FILTER_STORED_RELAXED
#define FILTER_STORE RELAXED
#else
#define FILTER_STORE ORDERED
#endif
#ifdef M_FILTER_LOADED_RELAXED
#define FILTER_LOAD RELAXED
#else
#define FILTER_LOAD ORDERED
#endif
#ifdef M_CELL_STORED_RELAXED
#define CELL_STORE RELAXED
#else
#define CELL_STORE ORDERED
#endif
#ifdef M_CELL_LOADED_RELAXED
#define CELL_LOAD RELAXED
#else
#define CELL_LOAD ORDERED
#endif
#ifdef M_CELL_CLOSED_RELAXED
#define CELL_CLOSE RELAXED
#else
#define CELL_CLOSE ORDERED
#endif
#ifdef M_LEAVE_RELAXED
#define LEAVE RELAXED
#else
#define LEAVE ORDERED
#endif
#ifdef M_WORD_LOADED_RELAXED
#define WORD_LOAD RELAXED
#else
#define WORD_LOAD ORDERED
#endif

#define VALUES 4
byte count[LOCS];		/* stores to it so far, the first of which is the initial value */
byte value[LOCS * VALUES];
byte came[LOCS * VALUES * LOCS]; /* the view that came with it */
byte view[3 * LOCS];		/* of each thread */
byte barriers[LOCS];		/* what full barriers have left */
byte finished;
bool freed;

#define at(x, t) ((x) * VALUES + (t))
#define last(x) (count[x] - 1)
#define sees(who, x) view[(who) * LOCS + (x)]
#define max(a, b) ((a) > (b) -> (a) : (b))

/* Of a process: */
#define LOCALS byte t, l, v

inline join_message(x)
{
	l = 0;
	do
	:: l < LOCS -> sees(me, l) = max(sees(me, l), came[at(x, t) * LOCS + l]); l++
	:: else -> break
	od
}

/* v = a value of x */
inline load(x, order)
{
	atomic {
		t = sees(me, x);
		do
		:: t < last(x) -> t++
		:: true -> break
		od;
		d_step {
			sees(me, x) = t; v = value[at(x, t)];
			if
			:: order -> join_message(x)
			:: else -> skip
			fi;
			t = 0; l = 0
		}
	}
}

inline append(x, new, order)
{
	t = count[x];
	assert(t < VALUES);
	count[x]++;
	value[at(x, t)] = new;
	sees(me, x) = t;
	l = 0;
	do
	:: l < LOCS ->
		came[at(x, t) * LOCS + l] =
			max(came[at(x, t) * LOCS + l], (order || l == x -> sees(me, l) : 0));
		l++
	:: else -> break
	od
}

inline store(x, new, order)
{
	d_step { append(x, new, order); t = 0; l = 0 }
}

/* Hands on what came with the value that it replaces (C11's release sequences). */
inline replace(x, new, order)
{
	t = last(x);
	if
	:: order -> join_message(x)
	:: else -> skip
	fi;
	l = 0;
	do
	:: l < LOCS -> came[at(x, t + 1) * LOCS + l] = came[at(x, t) * LOCS + l]; l++
	:: else -> break
	od;
	append(x, new, order)
}

inline exchange(x, new, order)
{
	d_step { v = value[at(x, last(x))]; replace(x, new, order); t = 0; l = 0 }
}

/* v = what was there: done if it is `old` */
inline compare_and_swap(x, old, new, order)
{
	d_step {
		v = value[at(x, last(x))];
		t = last(x);
		if
		:: v == old -> replace(x, new, order)
		:: else -> sees(me, x) = t; join_message(x)
		fi;
		t = 0; l = 0
	}
}

inline barrier_of(who)
{
	d_step {
		l = 0;
		do
		:: l < LOCS ->
			sees(who, l) = max(sees(who, l), barriers[l]);
			barriers[l] = sees(who, l);
			l++
		:: else -> break
		od;
		l = 0
	}
}

inline membarrier()
{
#ifndef M_NO_MEMBARRIER
	barrier_of(me);
	barrier_of(1 - me);
	barrier_of(me)
#else
	skip
#endif
}

inline plain_store(x, new)
{
	d_step { assert(sees(me, x) == last(x)); append(x, new, RELAXED); t = 0; l = 0 }
}

inline plain_load(x, expected)
{
	assert(sees(me, x) == last(x) && value[at(x, last(x))] == expected)
}

/* --- publish: smap_insert_locked(), smap_promote_locked(); smap_quick_look() --- */

proctype publisher(byte me)
{
	LOCALS;
	plain_store(PAYLOAD, 1);
	plain_store(CONTENT, 1);
	store(CELL, 1, RELAXED);
	store(READ, 1, READ_STORE);
	finished++
}

proctype looker(byte me)
{
	LOCALS;
	load(READ, READ_LOAD);
	if
	:: v == 1 ->
		plain_load(CONTENT, 1);
		load(CELL, CELL_LOAD);
		assert(v == 1);
		plain_load(PAYLOAD, 1)
	:: else -> skip
	fi;
	finished++
}

/* --- filter: filter_add(): set(), set_more(); smap_view_excludes() --- */

proctype filler(byte me)
{
	LOCALS;
	store(FILTER_WORD, 1, ORDERED);
	store(FILTER, 1, FILTER_STORE);
	finished++
}

proctype asker(byte me)
{
	LOCALS;
	load(FILTER, FILTER_LOAD);
	if
	:: v == 1 ->
		load(FILTER_WORD, ORDERED);
		assert(v == 1) /* or a key that is there is taken for absent */
	:: else -> skip
	fi;
	finished++
}

/* --- overwrite and move: put_cell(); close_cells(); find_read() --- */

byte closed_with; /* ghost: the value that went to the new cell */

proctype overwriter(byte me)
{
	LOCALS;
	plain_store(PAYLOAD, 1);
	compare_and_swap(CELL, NIL, 1, CELL_STORE);
	finished++
}

proctype mover(byte me)
{
	LOCALS;
	byte copied;
	plain_store(CONTENT, 1);
	store(NEXT, 1, ORDERED);
	load(CELL, CELL_LOAD);
	do
	:: true ->
		copied = v;
#ifndef M_CLOSED_BEFORE_COPIED
		store(MOVED_TO, copied, RELAXED);
#endif
		d_step { compare_and_swap(CELL, copied, MOVED, CELL_CLOSE); closed_with = copied }
		if
		:: v == copied -> break
		:: else -> skip
		fi
	od;
#ifdef M_CLOSED_BEFORE_COPIED
	skip;
	store(MOVED_TO, copied, RELAXED);
#endif
	finished++
}

proctype cell_reader(byte me)
{
	LOCALS;
	load(CELL, CELL_LOAD);
	if
	:: v == MOVED ->
		load(NEXT, ORDERED);
		assert(v == 1);
		plain_load(CONTENT, 1);
		load(MOVED_TO, CELL_LOAD);
		assert(v == closed_with)
	:: else -> skip
	fi;
	if
	:: v == 1 -> plain_load(PAYLOAD, 1)
	:: else -> skip
	fi;
	finished++
}

/* --- mark: smap_mark_deleted(); sweep() --- */

inline full_barrier()
{
#ifndef M_MARK_ACQ_REL
	barrier_of(me)
#else
	skip
#endif
}

proctype deleter(byte me)
{
	LOCALS;
	compare_and_swap(CELL, 1, NIL, ORDERED);
	full_barrier(); /* seq_cst: this access before the next in the order of all */
	load(BIT, ORDERED);
	if
	:: v == 0 -> exchange(BIT, 1, ORDERED)
	:: else -> skip
	fi;
	finished++
}

proctype sweeper(byte me)
{
	LOCALS;
	exchange(BIT, 0, ORDERED);
	full_barrier();
	load(CELL, ORDERED);
	if
	:: v == NIL -> compare_and_swap(CELL, NIL, 2, ORDERED) /* EXPUNGED */
	:: else -> skip
	fi;
	finished++
}

/* --- reclaim and gate: smap_enter_state(), smap_leave_state(); start_batch(), passed() --- */

inline enter() { store(WORD, 1, RELAXED) }
inline leave() { store(WORD, 2, LEAVE) }

inline wait_for_readers()
{
	membarrier();
	do
	:: load(WORD, WORD_LOAD);
		if
		:: v != 1 -> break
#ifdef M_NO_WAIT
		:: v == 1 -> break
#else
		:: v == 1 -> skip
#endif
		fi
	od;
	skip
}

proctype section(byte me)
{
	LOCALS;
#ifdef M_ENTER_LATE
	load(READ, READ_LOAD);
	enter();
#else
	enter();
	load(READ, READ_LOAD);
#endif
	if
	:: v == 0 -> d_step { assert(!freed); append(USE, 1, RELAXED); t = 0; l = 0 }
	:: else -> skip
	fi;
	leave();
	finished++
}

proctype reclaimer(byte me)
{
	LOCALS;
	store(READ, 1, READ_STORE);
	wait_for_readers();
	d_step { assert(sees(me, USE) == last(USE)); freed = true }
	finished++
}

proctype fast_writer(byte me)
{
	LOCALS;
	enter();
	load(GATE, ORDERED);
	if
	:: v == 0 -> compare_and_swap(CELL, NIL, 1, CELL_STORE)
	:: else -> skip /* under the mutex, when the copy has been made */
	fi;
	leave();
	finished++
}

proctype snapshot(byte me)
{
	LOCALS;
	byte copied;
	exchange(GATE, 1, ORDERED);
	wait_for_readers();
	copied = sees(me, CELL);
	assert(copied == last(CELL)); /* a relaxed load has no other choice */
	exchange(GATE, 0, ORDERED);
	finished++
}

init
{
	byte i;

	atomic {
		for (i : 0 .. LOCS - 1) { count[i] = 1 }
		if
		:: run publisher(0); run looker(1)
		:: run filler(0); run asker(1)
		:: run overwriter(0); run cell_reader(1); run mover(2)
		:: value[at(CELL, 0)] = 1; value[at(BIT, 0)] = 1; run deleter(0); run sweeper(1);
			finished == 2;
			assert(value[at(CELL, last(CELL))] != NIL || value[at(BIT, last(BIT))] == 1)
		:: run reclaimer(0); run section(1)
		:: run snapshot(0); run fast_writer(1)
		fi
	}
}
