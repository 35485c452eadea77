/* store/import_stage.h - where an import stands until it is whole.
 *
 * projects/.incoming-<name>/ is a bare repository that is not a project: nothing shows it, nothing
 * else writes to it. A new project is the staged repository renamed; an existing one is given the staged
 * packs, then its refs move. So a killed import leaves either nothing or everything to see,
 * and what is staged is there for the next call with the same source.
 */
#pragma once

#include <stdbool.h>

#include "store/project.h"

struct store;
struct project;

enum import_stage_outcome {
	IMPORT_STAGE_HELD = 1, /* another process imports under this name; who, was logged */
	IMPORT_STAGE_TAKEN,    /* publish: a project of that name appeared meanwhile */
};

struct import_stage {
	struct store *st;
	char *name; /* of the project */
	char *dir;  /* below projects/ */
	char *path; /* absolute */
	int fd;     /* of the staged repository */
	int lock;
	bool resumed; /* an earlier call left something to go on from */
};

/* Makes the stage, or takes up what an import of the same `source` left; one of another source is
 * thrown away. Free with import_stage_free(), which leaves the stage on disk. */
int import_stage_open(struct store *st, const char *name, const char *source,
		      struct import_stage **ret);
void import_stage_free(struct import_stage *s);

/* Borrows objects of `project` (may be NULL) and of `n` further object directories for the time of the
 * import: what is there already need not come again. With nothing to borrow the list is removed. */
int import_stage_borrow(struct import_stage *s, const struct project *project,
			const char *const *dirs, size_t n);

/* The staged repository becomes the project: synced, renamed, synced. 0, IMPORT_STAGE_TAKEN, or a fault. */
int import_stage_publish(struct import_stage *s);

/* Moves the staged objects into `p`, synced. Refs are the caller's. */
int import_stage_absorb(struct import_stage *s, struct project *p);

/* Whether no pack has arrived in it yet. */
bool import_stage_is_empty(const struct import_stage *s);

/* Whether an import of that name left a stage. */
bool import_stage_is_left(struct store *st, const char *name);

/* Removes the stage. */
int import_stage_drop(struct import_stage *s);
