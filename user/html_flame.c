/* SPDX-License-Identifier: MIT */
/*
 * html_flame.c - see html_flame.h. Model: the stacks of a kind become a tree, outermost frame
 * first; a node is as wide as what happened below it, time where it is known, else events.
 * It is drawn from the top down, each frame a nested <svg>, which clips its text and gives
 * it its place in per cent, so that text keeps its size and the script can zoom by changing
 * two attributes. Above it stand the dearest stacks as a table: that is what a screen reader
 * has, and paper.
 *
 * What is too narrow to be seen is not drawn: the gap is what it was.
 */
#include "html_flame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "html_chart.h"
#include "markup.h"
#include "stack.h"

#define ROW 18		/* pixels of a frame */
#define NARROW 0.002	/* of the width: not drawn */
#define TABLE_STACKS 5	/* dearest stacks in words */
#define TABLE_FRAMES 4	/* of each, from the caller outwards */
#define TINTS 5		/* colours, by module and function */
#define NODES_MAX 20000 /* of a tree: enough for 1,000 stacks; further frames are left out */
#define NONE ((uint32_t)-1)

struct node {
	const struct stack_frame *frame; /* NULL: the root, or a mark */
	const char *mark;		 /* "[no stack]", "[cut]" */
	uint64_t weight;		 /* with all below */
	uint32_t child, next;		 /* first child, next sibling; NONE */
};

struct tree {
	struct node *nodes; /* 0 = root */
	uint32_t count;
	unsigned depth; /* of the deepest node */
	bool time;	/* weights are ns */
};

/* --- the tree ------------------------------------------------------------------- */

static bool same(const struct node *node, const struct stack_frame *frame, const char *mark)
{
	return frame ? node->frame && node->frame->id == frame->id : node->mark == mark;
}

/* The child for this frame, new if need be; NONE = no room. */
static uint32_t descend(struct tree *tree, uint32_t at, const struct stack_frame *frame,
			const char *mark)
{
	uint32_t child = tree->nodes[at].child;

	while (child != NONE && !same(&tree->nodes[child], frame, mark))
		child = tree->nodes[child].next;
	if (child != NONE || tree->count == NODES_MAX)
		return child;
	child = tree->count++;
	tree->nodes[child] = (struct node){
		.frame = frame, .mark = mark, .child = NONE, .next = tree->nodes[at].child};
	tree->nodes[at].child = child;
	return child;
}

static void add_stack(struct tree *tree, const struct stack_cost *cost)
{
	static const char no_stack[] = "[no stack]", cut[] = "[cut]";
	const struct stack *stack = cost->stack;
	uint64_t weight = tree->time ? cost->ns : cost->count;
	size_t left = stack->frame_count;
	bool mark = stack->cut || left == 0;
	uint32_t at = 0;
	unsigned depth = 0;

	tree->nodes[0].weight += weight;
	while (mark || left > 0) {
		const struct stack_frame *frame = mark ? NULL : stack->frame[--left];

		at = descend(tree, at, frame, !mark ? NULL : stack->cut ? cut : no_stack);
		if (at == NONE)
			return;
		mark = false;
		tree->nodes[at].weight += weight;
		tree->depth = ++depth > tree->depth ? depth : tree->depth;
	}
}

static int make_tree(struct tree *tree, const struct stack_cost *costs, size_t count)
{
	*tree = (struct tree){.nodes = calloc(NODES_MAX, sizeof(struct node)), .count = 1};
	if (!tree->nodes)
		return -ENOMEM;
	tree->nodes[0].child = tree->nodes[0].next = NONE;
	for (size_t i = 0; i < count; i++)
		tree->time |= costs[i].ns > 0;
	/* The dearest last: a new child comes first among its siblings. */
	for (size_t i = count; i-- > 0;)
		add_stack(tree, &costs[i]);
	return 0;
}

/* --- drawing -------------------------------------------------------------------- */

static void put_weight(struct sink *sink, const struct tree *tree, uint64_t weight)
{
	char text[HTML_QUANTITY_MAX];

	html_quantity(text, (double)weight, tree->time ? "ns" : "");
	sink_printf(sink, "%s (%.1f %%)", text,
		    100.0 * (double)weight / (double)tree->nodes[0].weight);
}

static unsigned tint(const struct stack_frame *frame)
{
	return frame ? frame->id % TINTS : 0;
}

static void put_node(struct sink *sink, const struct tree *tree, const struct node *node, double x,
		     unsigned depth, const char *root)
{
	double whole = (double)tree->nodes[0].weight;
	char name[STACK_TEXT_MAX], text[STACK_TEXT_MAX];

	snprintf(name, sizeof(name), "%s", node->mark ? node->mark : root);
	snprintf(text, sizeof(text), "%s", name);
	if (node->frame) {
		stack_frame_name(name, sizeof(name), node->frame);
		stack_frame_text(text, sizeof(text), node->frame);
	}
	sink_printf(sink, "<svg x=\"%.3f%%\" y=\"%u\" width=\"%.3f%%\" height=\"%d\"><title>",
		    100 * x, depth * ROW, 100 * (double)node->weight / whole, ROW - 1);
	markup_put(sink, text);
	sink_puts(sink, ": ");
	put_weight(sink, tree, node->weight);
	sink_printf(sink,
		    "</title><rect class=\"tint%u\" width=\"100%%\" height=\"100%%\"/>"
		    "<text x=\"3\" y=\"13\">",
		    tint(node->frame));
	markup_put(sink, name);
	sink_puts(sink, "</text></svg>\n");
}

/* Depth is that of a stack: a hundred and some. */
static void put_nodes(struct sink *sink, const struct tree *tree, uint32_t at, double x,
		      unsigned depth, const char *root)
{
	const struct node *node = &tree->nodes[at];
	double whole = (double)tree->nodes[0].weight;

	if ((double)node->weight < NARROW * whole)
		return;
	put_node(sink, tree, node, x, depth, root);
	for (uint32_t child = node->child; child != NONE; child = tree->nodes[child].next) {
		put_nodes(sink, tree, child, x, depth + 1, root);
		x += (double)tree->nodes[child].weight / whole;
	}
}

static void put_row(struct sink *sink, const struct tree *tree, const struct stack_cost *cost)
{
	char line[STACK_TEXT_MAX];

	stack_line(line, sizeof(line), cost->stack, TABLE_FRAMES);
	sink_puts(sink, "<tr><th scope=\"row\"><code>");
	markup_put(sink, cost->stack->frame_count ? line : "[no stack]");
	sink_printf(sink, "</code></th><td>%s", cost->estimate ? "~" : "");
	html_count(sink, cost->count);
	sink_puts(sink, "</td><td>");
	put_weight(sink, tree, tree->time ? cost->ns : cost->count);
	sink_puts(sink, "</td></tr>\n");
}

static void put_flame(struct sink *sink, const struct tree *tree, const struct stack_cost *costs,
		      size_t count)
{
	const char *title = stack_kind_title(costs[0].kind);

	sink_printf(
		sink,
		"<figure class=\"stacks\"><figcaption><b>%s by call stack</b></figcaption>\n"
		"<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Stacks of %s\">"
		"<table><thead><tr><th scope=\"col\">from the caller outwards</th>"
		"<th scope=\"col\">events</th><th scope=\"col\">%s</th></tr></thead><tbody>\n",
		title, title, tree->time ? "time" : "share");
	for (size_t i = 0; i < count && i < TABLE_STACKS; i++)
		put_row(sink, tree, &costs[i]);
	sink_printf(sink,
		    "</tbody></table></div>\n<svg class=\"flame\" width=\"100%%\" height=\"%u\" "
		    "role=\"img\" aria-label=\"flame graph of %s\">\n",
		    (tree->depth + 1) * ROW, title);
	put_nodes(sink, tree, 0, 0, 0, title);
	sink_puts(sink, "</svg></figure>\n");
}

int html_flames(struct sink *sink, const struct report_map *map)
{
	for (size_t begin = 0, end; begin < map->stack_count; begin = end) {
		struct tree tree;
		int err;

		end = begin + 1;
		while (end < map->stack_count && map->stacks[end].kind == map->stacks[begin].kind)
			end++;
		err = make_tree(&tree, &map->stacks[begin], end - begin);
		if (err)
			return err;
		if (tree.nodes[0].weight > 0)
			put_flame(sink, &tree, &map->stacks[begin], end - begin);
		free(tree.nodes);
	}
	return 0;
}
