/* A walk over commits with an explicit stack, and Kahn's algorithm with a heap.
 *
 * Each unknown commit is read once, straight from the object database: two hundred thousand cost
 * a few seconds, where commit objects of libgit2 would cost twice that. Nodes refer to each
 * other by index. Known commits end the walk: whatever they lead to has a number as well,
 * because parents are numbered first.
 *
 * The order is a function of the commits alone, not of refs or of the order in which they were met,
 * as long as they are numbered in one go.
 */
#include "store/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "store/commit_raw.h"
#include "store/git.h"
#include "store/object.h"
#include "store/project.h"

enum {
	PROGRESS_EVERY = 4096,
	WARN_MOST = 5,
	TAG_DEPTH_MAX = 64,
};

#define MARK_KNOWN   ((uint64_t)-1)
#define MARK_BAD     ((uint64_t)-2) /* missing, damaged, or no commit */
#define MARK_PENDING ((uint64_t)-3) /* on the stack */

struct stack {
	struct oid *ids;
	size_t n, cap;
};

static void stack_deinit(struct stack *s)
{
	free(s->ids);
}

static void push(struct stack *s, const struct oid *id)
{
	alloc_grow(&s->ids, &s->cap, s->n + 1, sizeof(*s->ids));
	s->ids[s->n++] = *id;
}

void number_init(struct number *n)
{
	*n = (struct number){0};
	oidmap_init(&n->by_id);
}

void number_deinit(struct number *n)
{
	free(n->nodes);
	free(n->parents);
	oidmap_deinit(&n->by_id);
	*n = (struct number){0};
}

static void note_bad(struct number *n, const struct number_walk *w, const struct oid *id,
		     const char *why)
{
	char hex[OID_HEX_LEN + 1];

	*oidmap_find(&n->by_id, id) = MARK_BAD;
	if (n->n_bad++ < WARN_MOST)
		log_warn("project '%s': commit %s is %s, ignoring it and what only it leads to",
			 project_name(w->project), oid_hex(id, hex), why);
}

/* Puts parents on the stack; those that are met the first time only. */
static void push_new(struct number *n, const struct number_walk *w, struct stack *s,
		     const struct oid *id)
{
	if (!oidmap_add(&n->by_id, id, MARK_PENDING))
		return;
	if (w->known && w->known(id, w->arg))
		*oidmap_find(&n->by_id, id) = MARK_KNOWN;
	else
		push(s, id);
}

static void add_node(struct number *n, const struct number_walk *w, struct stack *s,
		     const struct oid *id, const struct commit_raw *c)
{
	struct number_node *node;

	alloc_grow(&n->nodes, &n->nodes_cap, n->n_nodes + 1, sizeof(*n->nodes));
	node = &n->nodes[n->n_nodes];
	*node = (struct number_node){0};
	node->f.commit = *id;
	node->f.tree = c->tree;
	node->f.time = c->time;
	node->f.tz = c->tz;
	node->f.n_parents = c->n_parents > UINT16_MAX ? UINT16_MAX : (uint16_t)c->n_parents;
	commit_raw_slug(c, node->f.slug, sizeof(node->f.slug));
	node->parents = n->n_parents;
	node->n_parents = c->n_parents;
	*oidmap_find(&n->by_id, id) = n->n_nodes++;
	alloc_grow(&n->parents, &n->parents_cap, n->n_parents + c->n_parents,
		   sizeof(*n->parents));
	for (size_t i = 0; i < c->n_parents; i++) {
		struct oid parent = commit_raw_parent(c, i);

		n->parents[n->n_parents++] = parent;
		push_new(n, w, s, &parent);
	}
}

/* Reads one object off the stack. 0 or a fault of the machine; damage is noted. */
static int visit(struct number *n, const struct number_walk *w, struct stack *s,
		 const struct oid *id)
{
	CLEANUP(git_odb_object_freep) git_odb_object *o = NULL;
	struct commit_raw c;
	int r = object_read(w->project, id, &o);

	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	if (r) {
		note_bad(n, w, id, r == OBJECT_MISSING ? "missing" : "damaged");
		return 0;
	}
	if (git_odb_object_type(o) != GIT_OBJECT_COMMIT ||
	    commit_raw_parse(git_odb_object_data(o), git_odb_object_size(o), &c)) {
		note_bad(n, w, id, "no commit");
		return 0;
	}
	add_node(n, w, s, id, &c);
	return 0;
}

/* A tag of a tree or a blob is as it should be; a ref to nothing is not. */
static void note_missing_tip(struct number *n, const struct number_walk *w,
			     const struct oid *tip)
{
	git_object_t type;
	size_t size;

	if (object_header(w->project, tip, &type, &size) == OBJECT_MISSING &&
	    oidmap_add(&n->by_id, tip, MARK_PENDING))
		note_bad(n, w, tip, "missing");
}

int number_add(struct number *n, const struct number_walk *w, const struct oid *tip)
{
	CLEANUP(stack_deinit) struct stack s = {0};
	struct oid commit;
	int r;

	if (oidmap_find(&n->by_id, tip) || (w->known && w->known(tip, w->arg)))
		return 0;
	r = object_peel(w->project, tip, &commit);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (r == OBJECT_MISSING) {
		note_missing_tip(n, w, tip);
		return 0;
	}
	push_new(n, w, &s, &commit);
	while (s.n) {
		struct oid id = s.ids[--s.n];

		r = visit(n, w, &s, &id);
		if (r)
			return r;
		if (w->progress && n->n_nodes % PROGRESS_EVERY == 0)
			w->progress("reading commits", n->n_nodes, 0, w->progress_arg);
	}
	return 0;
}

void number_fix(struct number *n, const struct refs_seq *ref)
{
	const uint64_t *at = oidmap_find(&n->by_id, &ref->commit);

	/* Of two numbers of one commit the first counts. */
	if (at && *at < n->n_nodes && !n->nodes[*at].f.seq)
		n->nodes[*at].f.seq = ref->seq;
}

/* A min-heap of node indexes. */
struct heap {
	const struct number *number;
	uint32_t *at;
	size_t n;
};

static bool before(const struct heap *h, uint32_t a, uint32_t b)
{
	const struct fragment *x = &h->number->nodes[a].f, *y = &h->number->nodes[b].f;

	if (x->time != y->time)
		return x->time < y->time;
	return oid_cmp(&x->commit, &y->commit) < 0;
}

static void heap_put(struct heap *h, uint32_t v)
{
	size_t i = h->n++;

	for (; i && before(h, v, h->at[(i - 1) / 2]); i = (i - 1) / 2)
		h->at[i] = h->at[(i - 1) / 2];
	h->at[i] = v;
}

static uint32_t heap_take(struct heap *h)
{
	uint32_t ret = h->at[0], v = h->at[--h->n];
	size_t i = 0;

	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid + 1 < h->n && before(h, h->at[kid + 1], h->at[kid]))
			kid++;
		if (kid >= h->n || !before(h, h->at[kid], v))
			break;
		h->at[i] = h->at[kid];
		i = kid;
	}
	h->at[i] = v;
	return ret;
}

/* Children of each node as one array with offsets, and how many parents each still waits for. */
struct graph {
	uint32_t *offset, *children, *waits;
	uint32_t *parent; /* of each parent id its node, or UINT32_MAX */
};

static void graph_deinit(struct graph *g)
{
	free(g->offset);
	free(g->children);
	free(g->waits);
	free(g->parent);
}

static void resolve_parents(struct graph *g, const struct number *n)
{
	g->parent = alloc_array(n->n_parents + 1, sizeof(*g->parent));
	for (size_t i = 0; i < n->n_parents; i++) {
		const uint64_t *at = oidmap_find(&n->by_id, &n->parents[i]);

		g->parent[i] = at && *at < n->n_nodes ? (uint32_t)*at : UINT32_MAX;
	}
}

static void graph_init(struct graph *g, const struct number *n)
{
	uint32_t *fill;

	resolve_parents(g, n);
	g->offset = alloc_array(n->n_nodes + 2, sizeof(*g->offset));
	g->children = alloc_array(n->n_parents + 1, sizeof(*g->children));
	g->waits = alloc_array(n->n_nodes + 1, sizeof(*g->waits));
	for (size_t i = 0; i < n->n_parents; i++) {
		if (g->parent[i] != UINT32_MAX)
			g->offset[g->parent[i] + 2]++;
	}
	for (size_t i = 2; i < n->n_nodes + 2; i++)
		g->offset[i] += g->offset[i - 1];
	/* Filling moves each start to the next one's, which shifts the array into place. */
	fill = g->offset + 1;
	for (size_t i = 0; i < n->n_nodes; i++) {
		const struct number_node *node = &n->nodes[i];

		for (size_t e = 0; e < node->n_parents; e++) {
			uint32_t parent = g->parent[node->parents + e];

			if (parent == UINT32_MAX)
				continue;
			g->children[fill[parent]++] = (uint32_t)i;
			/* A parent that has its number already keeps nobody waiting. */
			g->waits[i] += !n->nodes[parent].f.seq;
		}
	}
}

static int by_seq(const void *a, const void *b)
{
	const struct number_node *x = a, *y = b;

	return (x->f.seq > y->f.seq) - (x->f.seq < y->f.seq);
}

int64_t number_assign(struct number *n, uint32_t next)
{
	CLEANUP(graph_deinit) struct graph g = {0};
	CLEANUP(free_p) uint32_t *space = alloc_array(n->n_nodes + 1, sizeof(*space));
	struct heap h = {.number = n, .at = space};
	int64_t count = 0;

	graph_init(&g, n);
	for (size_t i = 0; i < n->n_nodes; i++) {
		if (!n->nodes[i].f.seq && !g.waits[i])
			heap_put(&h, (uint32_t)i);
	}
	while (h.n) {
		uint32_t i = heap_take(&h);

		if (!next)
			return fail(-E2BIG, "number more than %u fragments", UINT32_MAX);
		n->nodes[i].f.seq = next++;
		count++;
		for (uint32_t k = g.offset[i]; k < g.offset[i + 1]; k++) {
			uint32_t kid = g.children[k];

			/* A kid with a number waits for nobody, but was counted all the same. */
			if (!--g.waits[kid] && !n->nodes[kid].f.seq)
				heap_put(&h, kid);
		}
	}
	if (n->n_nodes)
		qsort(n->nodes, n->n_nodes, sizeof(*n->nodes), by_seq);
	/* The map points at where nodes were. */
	oidmap_deinit(&n->by_id);
	oidmap_init(&n->by_id);
	for (size_t i = 0; i < n->n_nodes; i++)
		(void)oidmap_add(&n->by_id, &n->nodes[i].f.commit, i);
	return count;
}
