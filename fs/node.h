/* fs/node.h - the inodes the kernel knows of.
 *
 * A node id is what the kernel holds: generation << 32 | shard << 26 | slot. It is checked at every request,
 * so a stale or forged one finds nothing. A node lives while the kernel counts a lookup of it or
 * somebody holds a reference; its memory is given back when its neighbours are gone too.
 *
 * No field changes after node_intern() except those that say which lock guards them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/oid.h"
#include "fs/ident.h"

struct app;
struct node_table;

enum { NODE_ROOT_ID = 1 };

struct node {
	struct ident ident;

	/* the table's own; beside the identity, so that following a chain touches one cache line a node */
	uint64_t id, n_lookup;
	uint32_t n_refs, next, slot;

	uint32_t mode;  /* as st_mode */
	struct oid oid; /* tree or blob */
	uint8_t kind;   /* enum place_kind */
	uint8_t view;   /* enum tree_view */
	uint16_t depth; /* how many directories below the project's it stands */
	uint32_t seq;   /* fragment, 0: none */
	uint32_t mtime_ns;
	int64_t mtime;
	uint64_t
		size; /* of a directory: its parent's inode number; of a work tree's: its own there */
	struct app *app; /* counted; NULL outside projects */
	void *extra;     /* the kind's own, freed with the node */
};

/* `release` frees what a dead node's `app` and `extra` own; called without any lock of the table. */
struct node_table *node_table_new(void (*release)(struct node *n, void *arg), void *arg);
void node_table_free(struct node_table *t);

/* The node `id`, referenced; NULL when there is none. */
struct node *node_get(struct node_table *t, uint64_t id);

/* The node of that identity, referenced; NULL when it is not known. */
struct node *node_find(struct node_table *t, const struct ident_key *key);

/* The node with `want`'s identity, referenced: the one that is known, or a new one made like `want`, which
 * then owns want's `app` and `extra`. `*made` says which (the caller keeps both when it is false). Never
 * fails. */
struct node *node_intern(struct node_table *t, const struct node *want, bool *made);

/* The root, node id 1, made once and never freed before the table. */
struct node *node_intern_root(struct node_table *t, const struct node *want);

void node_put(struct node_table *t, struct node *n);

/* The kernel was told of `n` once more (true: it did not know it) / says it forgot `n_times` of them. */
bool node_remember(struct node_table *t, struct node *n);
void node_forget(struct node_table *t, uint64_t id, uint64_t n_times);

/* Whether the kernel knows it now. */
bool node_known(struct node_table *t, const struct node *n);

struct node_stats {
	uint64_t n_nodes;
	uint64_t bytes; /* of slabs and buckets */
};
struct node_stats node_stats(struct node_table *t);
