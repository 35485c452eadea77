/* fs/app.h - a project as the mount sees it.
 *
 * Made when its name is first looked up, without touching the repository; the repository is opened when something
 * inside is asked for. Nodes hold references. When the repository of a name vanishes or is replaced, the
 * app of that name is dropped from the table and lives on, gone, until its last node is forgotten.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "fs/dates.h"
#include "fs/ident.h"
#include "fs/refdirs.h"
#include "store/project.h"

struct fs;

struct app {
	_Atomic uint32_t refs;
	uint64_t serial;
	char name[PROJECT_NAME_MAX + 1];
	struct app *next;      /* chain of the table; apps' lock */
	_Atomic bool gone;     /* another repository, or none, stands under the name */
	_Atomic bool asked;    /* the follower was asked for the first refresh */
	bool watched;          /* the follower's own: its watches were set */
	_Atomic uint32_t last; /* highest fragment number the kernel was told of */
	_Atomic int64_t
		changed_ns; /* mtime of the directories that follow refs; wall nanoseconds */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t fresh_cond;
	struct project *project; /* NULL until it was opened */
	bool fresh;              /* refreshed at least once */

	/* with locks of their own */
	struct dates dates;
	struct refdirs refdirs;
};

struct apps;

struct apps *apps_new(void);
void apps_free(struct apps *a);

/* The app called `name`, referenced; made when there is none. The caller knows that the directory is there. */
struct app *apps_get(struct apps *a, const char *name);

/* The same, NULL when none was made yet. */
struct app *apps_peek(struct apps *a, const char *name);

/* Takes the app of that name out of the table and marks it gone. True when there was one. */
bool apps_drop(struct apps *a, const char *name);

/* Whether a repository's directory stands under the name. */
bool apps_is_there(struct fs *fs, const char *name);
/* Whether it has what a repository must have: one that is being made or deleted does not. */
bool apps_is_whole(struct fs *fs, const char *name);
/* Whether another one than the app's, or none, stands there. */
bool apps_is_replaced(struct fs *fs, struct app *app);

/* Every app, referenced, in no order: a malloc'ed array of `*n`. */
struct app **apps_all(struct apps *a, size_t *n);

struct app *app_ref(struct app *app);
void app_unref(struct app *app);
DEFINE_CLEANUP(struct app *, app_unref)

/* The repository, counted: give it back with project_unref(). The first call of an app asks the follower to
 * refresh it and waits a moment for that. 0, PLACE_NO_ENTRY (deleted), or a fault (-EIO: it is no
 * repository). */
int app_use(struct fs *fs, struct app *app, struct project **ret);
DEFINE_CLEANUP(struct project *, project_unref)

/* The follower's: opens without waiting; tells those who wait that it was refreshed. */
int app_open(struct fs *fs, struct app *app, struct project **ret);
void app_set_fresh(struct app *app);
bool app_is_fresh(struct app *app); /* refreshed once, or shown before that for want of time */

/* How identities of this app's things are scoped. */
struct ident_scope app_scope(const struct app *app);

/* The identity of <mnt>/<project>/: its inode number comes from the name, so that stat needs no repository. */
struct ident app_ident(struct fs *fs, const struct app *app);

/* The sorts of numbered things. */
enum app_sort {
	SORT_PROJECT_DIR = 1,
	SORT_FRAGMENT,
	SORT_REVIEW,
	SORT_POINTER,
	SORT_COMMIT,
	SORT_WORK, /* an inode of a work tree, whose number is the scope */
};
