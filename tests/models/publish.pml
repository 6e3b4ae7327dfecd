/* SPDX-License-Identifier: MIT */
/*
 * publish.pml - the protocol of the two views, for one key.
 *
 * Two threads do OPS0 and OPS1 operations on the key (load, store, delete, chosen freely), while
 * a third changes the structure CHANGES times under the mutex, as other keys would make it:
 * rebuild, promote, grow, grow and promote. Every shared access is a step of its own, so that each
 * interleaving of the C code's accesses is looked at (sequentially consistent; what may be
 * weaker is argued beside each access in lib/).
 *
 *	read    the cell of the key, or NONE
 *	more[]  of each view: dirty may have keys that the view lacks (Go's amended). Readers look at
 *	        it after read, and only if that does not list the key (M1 in smap_filter.h)
 *	dirty   has_dirty, and the cell that it lists, or NONE
 *	cell[]  a value, NIL, EXPUNGED or MOVED; a slot is never used again here (its reuse is
 *	        the business of reclaim.pml), so a new slot or table is a new number
 *	next[]  where a closed cell's key is to be found
 *	mark[]  the bit of table->deleted
 *	filter[] of each view, or 0: which filter of absent keys it carries (smap_filter.h); knows[]
 *	        says of each filter whether it has the key. Without a filter, as where there is no
 *	        memory for one, readers take the lock. In the C code one word with more[]
 *
 * What is claimed. `now` is the key's true value, changed at the points where operations take
 * effect. Each value goes in once. Then
 *   - what a store replaces and a delete removes is `now` at that instant;
 *   - what a load returns was `now` at some instant of the load (`seen`), absent too;
 *   - while mu is free: I2, I3, I6, V5; when all is quiet: V6.
 * Together: linearizable per key, no store is lost, nothing comes back after a delete.
 *
 * Mutants: compile with one of the M_ names below; each has to fail.
 */
#ifndef OPS0
#define OPS0 1 /* of the first thread */
#endif
#ifndef OPS1
#define OPS1 1 /* of the second */
#endif
#ifndef CHANGES
#define CHANGES 2
#endif
#define CELLS 8
#define VIEWS 8
#ifndef FILTERS
#define FILTERS 3 /* 1: none are made */
#endif

#define NIL 0
#define EXPUNGED 14
#define MOVED 15
#define NONE 15
#define is_value(v) ((v) != NIL && (v) < EXPUNGED)

byte read = NONE;	/* the cell that read lists */
bool has_dirty;
byte dirty = NONE;
byte cell[CELLS];
byte next[CELLS];
bool mark[CELLS];
byte used;		/* cells taken so far */
byte view;		/* which view is published; changes with `read` */
bool more[VIEWS];
byte filter[VIEWS];
bool knows[FILTERS];
byte filters;		/* filters made so far; 0 is none */
bool mu;

byte now;		/* ghost: the key's true value */
short seen[2];		/* ghost: bit v = the key had v during the present operation */
byte marking;		/* ghost: deletes between making the cell NIL and setting the bit */
byte finished;

#define remember(i) seen[i] = (seen[i] -> seen[i] | (1 << now) : 0)
#define take_effect(v) now = v; remember(0); remember(1)

inline lock() { atomic { !mu -> mu = true } }

/* What holds whenever nobody is in a critical section. */
inline unlock()
{
	atomic {
		assert(!has_dirty || read == NONE || cell[read] == EXPUNGED || dirty == read); /* I2 */
		assert(!has_dirty || read == NONE || (cell[read] == EXPUNGED) == (dirty == NONE)); /* I3 */
		assert(!has_dirty || dirty == NONE || read != NONE || more[view]); /* I6 */
		assert(read == NONE || cell[read] != MOVED); /* V5 */
		assert(has_dirty || read == NONE || cell[read] != EXPUNGED); /* V5 */
		mu = false
	}
}

inline fresh_cell(ret)
{
	d_step { assert(used < CELLS); ret = used; used++ }
}

/* smap_mark_deleted() */
inline set_mark(c)
{
	if
	:: mark[c] -> skip
	:: else -> mark[c] = true
	fi
}

/* filter_add(), of whatever key: the filter is made, or replaced by a larger one, or not. */
inline filter_new()
{
	d_step {
		filters++;
#ifndef M_FILTER_FORGETS
		knows[filters] = (read == NONE && dirty != NONE) /* set_all() */
#endif
	}
	d_step { filter[view] = filters; more[view] = true } /* set_more() */
}

inline filter_add()
{
	if
	:: filter[view] -> knows[filter[view]] = true
	:: else -> skip
	fi;
	if
	:: filters < FILTERS - 1 -> filter_new()
	:: skip /* no memory, or large enough */
	fi
}

inline filter_add_other()
{
	if
	:: filters < FILTERS - 1 -> filter_new()
	:: skip
	fi
}

/* smap_more_add_locked(), without a filter */
inline more_any() { more[view] = true }

/* A view was made: what does it say of dirty? */
#define next_view(m, f) view++; more[view] = m; filter[view] = f

/* find_read(): at = its cell or NONE, v = what was in it; or saw_amended and its filter */
inline find_read()
{
	atomic { at = read; seen_view = view }
	do
	:: at == NONE ->
		atomic { saw_amended = more[seen_view]; v = filter[seen_view] }
		break
	:: else ->
		v = cell[at];
		if
#ifdef M_NO_FOLLOW
		:: v == MOVED -> v = NIL; break
#else
		:: v == MOVED -> at = next[at]
#endif
		:: else -> break
		fi
	od
}

/* find_locked() */
inline find_locked()
{
	d_step {
#ifdef M_NO_REPROBE
		at = NONE; in_read = false;
#else
		at = read; in_read = (read != NONE);
#endif
		saw_amended = more[view];
		if
		:: !in_read && has_dirty -> at = dirty
		:: else -> skip
		fi
	}
}

/* put_cell(): done, or v says why not. */
inline put_cell(c, value)
{
	do
#ifdef M_STORE_EXPUNGED
	:: v == MOVED -> break
	:: v != MOVED ->
#else
	:: v == EXPUNGED || v == MOVED -> break
	:: v != EXPUNGED && v != MOVED ->
#endif
		atomic {
			if
			:: cell[c] == v ->
				assert(now == v || v == EXPUNGED);
				cell[c] = value; take_effect(value); done = true; break
			:: else -> v = cell[c]
			fi
		}
	od
}

/* take_cell() and the mark */
inline take_cell(c)
{
	do
	:: !is_value(v) -> break
	:: is_value(v) ->
#ifdef M_MARK_FIRST
		set_mark(c);
#endif
		atomic {
			if
			:: cell[c] == v ->
				assert(now == v);
				cell[c] = NIL; take_effect(NIL); marking++; done = true
			:: else -> v = cell[c]
			fi
		}
		if
		:: done ->
#ifndef M_MARK_FIRST
			set_mark(c);
#endif
			marking--; break
		:: else -> skip
		fi
	od
}

/* The part of rebuild_locked() that concerns the key. */
inline rebuild()
{
	has_dirty = true; dirty = read;
	if
	:: read != NONE && mark[read] ->
#ifndef M_CLEAR_LATE
		mark[read] = false;
#endif
		if
		:: cell[read] == NIL ->
			atomic {
				if
#ifdef M_EXPUNGE_STORE
				:: true ->
#else
				:: cell[read] == NIL ->
#endif
					cell[read] = EXPUNGED; dirty = NONE
#ifndef M_EXPUNGE_STORE
				:: else -> skip
#endif
				fi
			}
		:: else -> skip
		fi;
#ifdef M_CLEAR_LATE
		mark[read] = false
#endif
	:: else -> skip
	fi
}

inline promote()
{
	/* smap_more_drop_locked() */
	d_step {
#ifdef M_FILTER_DROP_TO_NONE
		more[view] = more[view] && !filter[view];
#endif
		filter[view] = 0
	}
	atomic { read = dirty; next_view(false, 0) }
	has_dirty = false; dirty = NONE
}

/* The filter goes with the new view. */
inline carry_over(cell_in_read)
{
	atomic {
		read = cell_in_read;
#ifdef M_FILTER_NOT_CARRIED
		filters++;
		next_view(true, filters)
#elif defined(M_MORE_NOT_CARRIED)
		next_view(false, 0)
#else
		next_view(more[view - 1], filter[view - 1])
#endif
	}
}

/* smap_move_build(), smap_move_finish(); with_promotion: SMAP_GROW_PROMOTES */
inline grow(with_promotion)
{
	if
	:: read == NONE && dirty == NONE -> skip
	:: read == NONE && dirty != NONE -> /* dirty alone: nobody else knows the cell */
		fresh_cell(to);
		cell[to] = cell[dirty];
		mark[to] = mark[dirty];
		dirty = to;
		if
		:: !with_promotion -> carry_over(NONE)
		:: true -> skip /* of the empty map's view; or with the promotion */
		fi
	:: read != NONE && dirty == NONE && with_promotion -> skip /* EXPUNGED stays behind */
	:: read != NONE && !(dirty == NONE && with_promotion) ->
		fresh_cell(to);
		next[read] = to;
		v = cell[read];
		do
		:: true ->
#ifdef M_PUBLISH_FIRST
			atomic { v = cell[read]; cell[read] = MOVED }
			cell[to] = v;
			break
#else
#ifdef M_NIL_OPEN
			if
			:: v == NIL -> cell[to] = NIL; break
			:: else -> skip
			fi;
#endif
			cell[to] = v;
			atomic {
				if
#ifdef M_CLOSE_BLIND
				:: true -> cell[read] = MOVED; break
#else
				:: cell[read] == v -> cell[read] = MOVED; break
				:: else -> v = cell[read]
#endif
				fi
			}
#endif
		od;
		if
		:: v == NIL -> set_mark(to)
		:: else -> skip
		fi;
		if
		:: dirty != NONE -> dirty = to
		:: else -> skip
		fi;
		if
		:: !with_promotion -> carry_over(to)
		:: else -> skip
		fi
	fi;
	if
	:: with_promotion -> promote()
	:: else -> skip
	fi
}

/* --- operations --- */

inline load()
{
	d_step { seen[me] = 0; seen[me] = 1 << now }
	find_read();
	if
	:: at == NONE && saw_amended ->
		if
		:: v && !knows[v] -> v = NIL /* smap_view_excludes() */
		:: else ->
			lock(); find_locked();
			v = NIL;
			if
			:: at != NONE -> v = cell[at]
			:: else -> skip
			fi;
			unlock()
		fi
	:: at == NONE && !saw_amended -> v = NIL
	:: else -> skip
	fi;
	if
	:: is_value(v) -> assert(seen[me] & (1 << v))
	:: else -> assert(seen[me] & 1)
	fi
}

inline store_slow()
{
	lock(); find_locked();
	if
	:: at == NONE ->
		if
		:: !has_dirty -> rebuild()
		:: else -> skip
		fi;
		fresh_cell(at);
		cell[at] = mine; dirty = at;
#ifndef M_FILTER_LATE
		filter_add();
#endif
		atomic { /* with this the key can be found, by who takes the lock */
			assert(now == NIL); take_effect(mine);
#ifndef M_NO_AMENDED
			more_any()
#endif
		}
#ifdef M_FILTER_LATE
		filter_add();
#endif
	:: else ->
		v = cell[at];
		if
		:: v == EXPUNGED ->
			cell[at] = NIL;
#ifndef M_NO_UNEXPUNGE
			dirty = at;
#endif
			v = NIL
		:: else -> skip
		fi;
		put_cell(at, mine);
		assert(done)
	fi;
	unlock()
}

inline store()
{
	mine = 1 + me * 4 + ops;
	do
	:: true ->
		find_read();
		if
		:: at == NONE -> break
		:: else -> put_cell(at, mine)
		fi;
		if
		:: done || v != MOVED -> break
		:: else -> skip
		fi
	od;
	if
	:: !done -> store_slow()
	:: else -> skip
	fi
}

inline delete_slow()
{
	lock(); find_locked();
	if
	:: at != NONE && in_read -> v = cell[at]; take_cell(at)
	:: at != NONE && !in_read ->
		atomic {
			v = cell[at]; dirty = NONE;
			assert(now == v);
			take_effect(NIL); done = true
		}
	:: else -> skip
	fi;
	unlock()
}

inline delete()
{
	d_step { seen[me] = 0; seen[me] = 1 << now }
	do
	:: true ->
		find_read();
		if
		:: at == NONE -> break
		:: else -> take_cell(at)
		fi;
		if
		:: done || v != MOVED -> break
		:: else -> skip
		fi
	od;
	if
	:: at == NONE && saw_amended -> delete_slow()
	:: else -> skip
	fi;
	assert(done || (seen[me] & 1))
}

proctype user(byte me)
{
	byte ops, at, v, mine, seen_view;
	bool saw_amended, in_read, done;

	do
	:: ops < (me -> OPS1 : OPS0) ->
		if
		:: load()
		:: store()
		:: delete()
		fi;
		/* Leftovers would only tell equal states apart. */
		d_step { ops++; seen[me] = 0; at = 0; v = 0; mine = 0; seen_view = 0;
			 saw_amended = false; in_read = false; done = false }
	:: else -> break
	od;
	finished++
}

/* Other keys: a new one rebuilds if there is no dirty, misses promote, a full table grows. */
proctype others()
{
	byte changes, to, v;

	do
	:: changes < CHANGES ->
		changes++;
		lock();
		if
		:: !has_dirty -> rebuild(); filter_add_other(); more_any()
		:: has_dirty && more[view] -> promote()
		:: has_dirty && more[view] -> grow(false)
		:: has_dirty && more[view] -> grow(true)
		:: has_dirty && more[view] -> filter_add_other()
		fi;
		unlock();
		d_step { to = 0; v = 0 }
	:: changes < CHANGES -> break
	:: else -> break
	od;
	finished++
}

init
{
	atomic {
		if /* the key at the beginning: nowhere, in read, deleted in read, in dirty only */
		:: skip
		:: read = 0; used = 1; cell[0] = 12; now = 12
		:: read = 0; used = 1; cell[0] = NIL; mark[0] = true
		:: dirty = 0; used = 1; cell[0] = 12; now = 12; has_dirty = true; more[0] = true;
			if /* with a filter, or no memory for one */
			:: FILTERS > 1 -> filters = 1; filter[0] = 1; knows[1] = true
			:: skip
			fi
		fi;
		run user(0); run user(1); run others()
	}
	finished == 3;
	/* V6, and that nothing but the truth is left */
	assert(marking == 0);
	assert(read == NONE || cell[read] != NIL || mark[read]);
	assert(read == NONE || cell[read] == now || (cell[read] == EXPUNGED && now == NIL));
	assert(read != NONE || (has_dirty && dirty != NONE) || now == NIL);
	assert(read != NONE || !has_dirty || dirty == NONE || cell[dirty] == now)
}
