/* SPDX-License-Identifier: MIT */
/*
 * destroy.pml - a map is destroyed while values that left it are still in threads' bags.
 *
 * A thread takes ITEMS values out of map A, then uses other maps only: it goes on reserving
 * places in its bag (smap_retire_begin) and filling them (smap_retire_commit). Another
 * destroys A: its node is retired when the thread is done with A. The reclaimer collects
 * nodes first, then bags, and frees a batch's values before its nodes. Read sections do not
 * matter here; reclaim.pml is about them.
 *
 * What is claimed (S3): whoever counts or frees a value of A finds A alive, and in the end all
 * values of A have been freed.
 *
 * Mutants: compile with one of the M_ names below; each has to fail.
 */
#define ITEMS 2

bool reserved;		/* the thread counts on a place in its bag */
byte bag;		/* values of A in it */
bool retired_node;	/* A's node is in the list */
bool a_freed, done_with_a;
byte freed_items;
byte collected_items;
bool collected_node;

proctype owner()
{
	byte i;

	do
	:: i < ITEMS ->
		reserved = true;
		atomic { bag++; reserved = false; i++ } /* under the thread's lock */
	:: else -> break
	od;
#ifdef M_DESTROY_BEFORE_COMMIT
	skip
#else
	done_with_a = true
#endif
	;
	do
	:: !a_freed -> reserved = true; reserved = false /* other maps */
	:: a_freed -> break
	od
}

proctype destroyer()
{
#ifndef M_DESTROY_BEFORE_COMMIT
	done_with_a;
#endif
	retired_node = true
}

inline collect_node()
{
	atomic {
		if
		:: retired_node -> retired_node = false; collected_node = true
		:: else -> skip
		fi
	}
}

/* With the thread's lock. A bag with a reserved place is emptied too: the owner gets a new one. */
inline collect_bag()
{
	atomic {
		if
#ifdef M_SKIP_RESERVED
		:: reserved -> skip
#endif
		:: else ->
			assert(bag == 0 || !a_freed);
			collected_items = collected_items + bag; bag = 0
		fi
	}
}

proctype reclaimer()
{
	do
	:: a_freed && bag == 0 -> break
	:: else ->
#ifdef M_BAGS_FIRST
		collect_bag(); collect_node();
#else
		collect_node(); collect_bag();
#endif
#ifdef M_NODES_FIRST
		if
		:: collected_node -> collected_node = false; a_freed = true
		:: else -> skip
		fi;
#endif
		assert(collected_items == 0 || !a_freed);
		d_step { freed_items = freed_items + collected_items; collected_items = 0 }
		if
		:: collected_node -> collected_node = false; a_freed = true
		:: else -> skip
		fi
	od;
	assert(freed_items == ITEMS)
}

init
{
	atomic { run owner(); run destroyer(); run reclaimer() }
}
