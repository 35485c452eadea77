/* Comparing a path in a commit with the same path in its parents, by object id alone.
 *
 * Nothing below the path is opened: equal ids are equal directories. A directory that is missing or damaged counts as a
 * difference, because a log that hides a commit is worse than one that shows too many.
 */
#include "tools/touched.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/judge.h"
#include "store/commit.h"
#include "store/tree.h"

DEFINE_CLEANUP(struct commit *, commit_free)

struct state {
	struct oid oid; /* zero: not there */
	uint32_t mode;
};

bool touched_path_ok(const char *path)
{
	return judge_path(path, strlen(path)) == JUDGE_FINE;
}

/* 0, TREE_MISSING, TREE_CORRUPT, or a fault. */
static int look(struct project *p, const struct oid *tree, const char *path, struct state *ret)
{
	struct tree_entry e;
	int r = tree_lookup(p, tree, path, &e);

	*ret = (struct state){.mode = 0};
	if (r == TREE_NO_ENTRY)
		return 0;
	if (!r)
		*ret = (struct state){.oid = e.oid, .mode = e.mode};
	return r;
}

static bool differs(struct project *p, const struct oid *a, const struct oid *b,
		    const char *path)
{
	struct state x, y;

	if (look(p, a, path, &x) || look(p, b, path, &y))
		return true;
	return x.mode != y.mode || !oid_eq(&x.oid, &y.oid);
}

/* Whether any of the paths differs between the commit and a parent's tree. */
static bool any_differs(struct project *p, const struct commit *c, const struct oid *parent,
			const char *const *paths, size_t n_paths)
{
	for (size_t i = 0; i < n_paths; i++) {
		if (differs(p, &c->tree, parent, paths[i]))
			return true;
	}
	return false;
}

static bool has_any(struct project *p, const struct commit *c, const char *const *paths,
		    size_t n)
{
	struct state s;

	for (size_t i = 0; i < n; i++) {
		if (look(p, &c->tree, paths[i], &s) || s.mode)
			return true;
	}
	return false;
}

int touched(struct project *p, const struct commit *c, const char *const *paths, size_t n_paths,
	    bool *ret)
{
	if (!c->n_parents) {
		*ret = has_any(p, c, paths, n_paths);
		return 0;
	}
	*ret = true;
	for (size_t i = 0; i < c->n_parents; i++) {
		CLEANUP(commit_freep) struct commit *parent = NULL;
		int r = commit_read(p, &c->parents[i], &parent);

		if (r < 0)
			return r;
		if (parent && !any_differs(p, c, &parent->tree, paths, n_paths)) {
			*ret = false;
			return 0;
		}
	}
	return 0;
}
