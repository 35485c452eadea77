/* store/number.h - which commits have no number yet, and in which order they get one.
 *
 * Pure but for reading commits: nothing is written here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oidmap.h"
#include "store/fragment.h"
#include "store/refresh.h"
#include "store/refs_scan.h"

struct project;

/* A commit that the index does not have. */
struct number_node {
	struct fragment f;         /* `seq` 0 until it is numbered */
	size_t parents, n_parents; /* its parents in `parents` of struct number */
};

struct number {
	struct number_node *nodes;
	size_t n_nodes, nodes_cap;
	struct oid *parents;
	size_t n_parents, parents_cap;
	struct oidmap by_id; /* commit → index of its node, or one of the marks below */
	size_t n_bad;        /* commits that are missing or damaged */
};

void number_init(struct number *n);
void number_deinit(struct number *n);

/* Whether the index has the commit already. */
typedef bool (*number_known_fn)(const struct oid *commit, void *arg);

struct number_walk {
	struct project *project;
	number_known_fn known;
	refresh_progress_fn progress; /* or NULL */
	void *arg;                    /* of `known` */
	void *progress_arg;
};

/* Adds every commit that `tip` leads to and that is not known. Anything that leads to no commit adds nothing;
 * damaged and missing commits are counted and said. 0 or a fault. */
int number_add(struct number *n, const struct number_walk *w, const struct oid *tip);

/* Gives a node the number that its ref says. Refs to what could not be read are left alone. */
void number_fix(struct number *n, const struct refs_seq *ref);

/* Numbers the nodes that have none from `next` on: parents first; among those whose turn it is the one with the
 * smallest committer time, then the smallest id. Then sorts the nodes by number. Returns how many were
 * numbered; they are the last ones. -E2BIG when the numbers run out. */
int64_t number_assign(struct number *n, uint32_t next);
