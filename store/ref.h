/* store/ref.h - named pointers into history.
 *
 * A ref is the only mutable thing of a repository. Every change of ours is a
 * compare-and-swap, durable when it returns, so two writers never undo each other unseen: the
 * loser is told, reads again, and decides anew.
 */
#pragma once

#include "base/oid.h"

struct project;

enum ref_outcome {
	REF_MISSING = 1, /* there is no ref of that name */
	REF_MOVED,       /* the ref is not where the caller thought it was */
	REF_BAD_NAME,    /* git would not accept the name */
};

/* What `name` (full: refs/heads/main) points at, peeled to a commit. 0, an outcome, or a fault. */
int ref_read(struct project *p, const char *name, struct oid *ret);

/* The same unpeeled: of an annotated tag the tag object. It is what ref_advance() and ref_delete() compare with. */
int ref_value(struct project *p, const char *name, struct oid *ret);

/* Points `name` at `to` if it still points at `from`; an all-zero `from` means "must not exist
 * yet". `why` becomes the reflog line. */
int ref_advance(struct project *p, const char *name, const struct oid *from,
		const struct oid *to, const char *why);

/* Deletes `name` if it still points at `from`. */
int ref_delete(struct project *p, const char *name, const struct oid *from);

/* Calls `fn` for every ref with the prefix (e.g. "refs/heads/") in byte order; refs/fragments/ only when asked
 * for by prefix. Refs that do not lead to a commit are skipped. */
typedef int (*ref_fn)(const char *name, const struct oid *commit, void *arg);
int ref_each(struct project *p, const char *prefix, ref_fn fn, void *arg);
