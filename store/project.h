/* store/project.h - one app: one bare repository.
 *
 * A project is known by its name and by a 64-bit id that is planted in its repository's config
 * (`fragfs.id`) when fragfs first meets it and follows it through renames. A bare repository that
 * somebody puts into projects/ is a project from then on; a copy with an id that is taken
 * gets a new one.
 *
 * A `struct project` is a counted handle, shared by all threads. It stays usable when the
 * repository is renamed, damaged or deleted beneath it; calls then return PROJECT_GONE or
 * a fault of the object concerned, and never crash.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct store;
struct project;

enum { PROJECT_NAME_MAX = 100 };

enum project_outcome {
	PROJECT_MISSING = 1, /* no project of that name */
	PROJECT_EXISTS,      /* the name is taken */
	PROJECT_BAD_NAME,    /* not a name a project can have */
	PROJECT_BROKEN,      /* a directory of that name is there but is no git repository */
	PROJECT_GONE,        /* the repository vanished beneath an open handle */
	PROJECT_LOCKED,      /* another process is importing into it, or renumbering it */
};

/* 1–100 bytes of A–Z a–z 0–9 . _ - , not starting with `.` or `-`, not ending in `.git` or `.lock`. */
bool project_name_ok(const char *name);

/* Opens by name. 0, PROJECT_MISSING, PROJECT_BROKEN, PROJECT_BAD_NAME, or a fault. */
int project_open(struct store *st, const char *name, struct project **ret);
struct project *project_ref(struct project *p);
void project_unref(struct project *p);

const char *project_name(const struct project *p);
uint64_t project_id(const struct project *p);
struct store *project_store(const struct project *p);
/* The bare repository, borrowed; opened by the first call and kept as long as the handle. -1 when it is gone. */
int project_dir_fd(const struct project *p);

/* Calls `fn` for each name in ascending byte order, until it returns non-zero, which is then
 * returned. Reads the directory only: costs nothing per project. */
typedef int (*project_name_fn)(const char *name, void *arg);
int project_each(struct store *st, project_name_fn fn, void *arg);

/* All three are durable when they return 0. Deleting removes history for good: its caller asks. */
int project_create(struct store *st, const char *name, struct project **ret);
int project_rename(struct store *st, const char *from, const char *to);
int project_delete(struct store *st, const char *name);

/* Where the project stands: HEAD of `live` once that is a work tree, of the bare repository before. `branch` (a full ref name, "" when detached) and the commit (zero when unborn). */
struct project_head {
	char branch[256];
	struct oid commit;
};

int project_head(struct project *p, struct project_head *ret);

/* Points HEAD at a branch (`refs/heads/…`) or, with `branch` NULL, detached at `commit`; durable. */
int project_set_head(struct project *p, const char *branch, const struct oid *commit);

/* Brings the bare repository's HEAD, which clones follow, to where git inside `live` went. */
int project_sync_head(struct project *p);

/* The project's writer lock: taken by import and other long changes of ours; not recursive, not even within
 * a thread. Numbering has a lock of its own, so refresh_project() may be called while this one is held.
 * 0, PROJECT_LOCKED (only without `wait`), PROJECT_GONE, or a fault. Release by closing `*ret`. */
int project_lock(struct project *p, const char *what, bool wait, int *ret);

/* What the holder of that lock wrote about itself, for a message; "" when nobody holds it or knows. */
void project_lock_holder(struct project *p, char *ret, size_t size);
