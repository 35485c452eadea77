/* fs/trees.h - the work trees this daemon has open.
 *
 * A work tree has one owner, and while a mount serves its home that is the mount's process: commands that want one ask the
 * daemon. A tree is opened when somebody looks into it, and closed when the kernel has forgotten it and nobody else wants it.
 */
#pragma once

#include "fs/node.h"
#include "store/work.h"

struct app;
struct fs;
struct project;
struct trees;

/* The one that every project has. */
#define TREES_LIVE "live"

struct trees *trees_new(void);
void trees_free(struct trees *t);

/* The work tree `name` of a project, referenced. `live` is made when there is none. 0, PLACE_NO_ENTRY, or a fault. */
int trees_get(struct fs *fs, struct app *app, const char *name, struct work **ret);

/* Somebody let go of one: closes those that nobody wants any more. */
void trees_settle(struct fs *fs);

/* Refs moved: the open trees of the project that stand on a branch that somebody moved go along, unless they were edited; what
 * changes the kernel is told. */
void trees_follow(struct fs *fs, struct project *p);

/* Makes a session, on a branch of its own, with what `live` holds now, uncommitted changes included. 0, a positive errno, or a fault. */
int trees_make(struct fs *fs, struct app *app, const char *name, const struct work_caller *who,
	       struct work **ret);

/* Takes a session away, durably; what was never committed stays in the operation log. Who has files of it open keeps what the kernel has cached. 0, a positive
 * errno, or a fault. */
int trees_drop(struct fs *fs, struct app *app, const char *name);
