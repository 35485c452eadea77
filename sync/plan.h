/* sync/plan.h - what to do about three trees, decided from values alone.
 *
 * B is the base both sides share, D what is desired, R what the sandbox holds. Each is a flat listing
 * in ascending byte order of paths, files only. Paths that are equal in all three may be left out of all three.
 *
 * PLAN_SWITCH: D is an order. R becomes D; what R changed since B is to be saved first.
 * PLAN_MERGE:  per path, three-way. Same → nothing; one side changed → take it; deleted against changed → the change
 *              wins; both changed → D is shown and R's is saved. Modes alone never conflict.
 *
 * What the sandbox changed but must not or cannot come back (secrets, bulk, too large, refused by the judge) is kept:
 * it stays as the sandbox has it, and so is part of `target`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct plan_entry {
	const char *path; /* borrowed */
	uint32_t mode;    /* MODE_FILE, MODE_EXEC, MODE_LINK or MODE_GITLINK */
	struct oid oid;
	uint64_t size;
};

struct plan_side {
	const struct plan_entry *entries;
	size_t n;
};

enum plan_policy { PLAN_SWITCH, PLAN_MERGE };

struct plan_input {
	struct plan_side base, desired, remote;
	enum plan_policy policy;
	/* How many files the whole of each holds, for the halts; 0: as many as are listed. */
	size_t n_base, n_desired, n_remote;
	/* The sandbox is not the one the base was agreed with. The base must then be empty. */
	bool new_epoch;
	bool unsaved;      /* the old one held changes that never came back */
	bool acknowledged; /* a person said to go on all the same: nothing halts */
	uint64_t size_max,
		total_max; /* of what may be saved, per file and in all; 0: no limit */
};

enum plan_halt {
	PLAN_GO = 0,
	PLAN_HALT_EMPTIED,  /* the sandbox lost every file: its deletions are not taken */
	PLAN_HALT_VANISHED, /* … more than half of at least PLAN_VANISH_MIN */
	PLAN_HALT_OURS,     /* our side lost as much in a merge: our deletions are not sent */
	PLAN_HALT_EPOCH, /* another sandbox, and the old one's changes were not saved: nothing is done */
};

enum { PLAN_VANISH_MIN = 20 };

enum plan_action_kind {
	PLAN_PUT,  /* content, as file or executable */
	PLAN_LINK, /* a symbolic link, or a submodule's place */
	PLAN_MODE, /* the content is there, the executable bit is not as it should be */
	PLAN_REMOVE,
};

struct plan_action {
	enum plan_action_kind kind;
	struct plan_entry entry; /* as it is to be; of a removal as it is */
};

/* What becomes of something the sandbox changed since B. */
enum plan_fate {
	PLAN_SAVE,         /* fetch the content and commit it before it is replaced */
	PLAN_DELETED,      /* the sandbox deleted it: the commit that saves R lacks it */
	PLAN_KEEP_SECRET,  /* looks like a credential */
	PLAN_KEEP_BULK,    /* on the ignore list */
	PLAN_KEEP_LARGE,   /* over a limit of the input */
	PLAN_KEEP_REFUSED, /* the judge refuses its name or mode */
};

struct plan_drift {
	enum plan_fate fate;
	bool taken;              /* merge: it becomes part of the target */
	bool conflict;           /* D changed it too, otherwise */
	struct plan_entry entry; /* R's; of a deletion B's */
};

struct plan {
	enum plan_halt halt;
	struct plan_action *actions; /* in path order: R with them done is `target` */
	size_t n_actions;
	struct plan_drift *drift; /* in path order */
	size_t n_drift;
	struct plan_entry *target; /* listing of what R will be (as sparse as the input) */
	size_t n_target;
	size_t n_saved, n_kept, n_conflicts;
	size_t n_blocked; /* of D: not placed, since something kept is in the way */
	uint64_t bytes;   /* content of all PUT and LINK actions */
};

/* Decides. Never fails; the same input gives the same plan. All strings stay borrowed from the input.
 * O(n), and O(n log n) only where files and directories of different sides meet. */
void plan_make(const struct plan_input *in, struct plan *ret);
void plan_deinit(struct plan *p);

/* A sentence part: "the sandbox lost every file". */
const char *plan_halt_words(enum plan_halt h);
