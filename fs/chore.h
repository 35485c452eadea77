/* fs/chore.h - work on one project that may take long, without holding up the others.
 *
 * Numbering a big new repository, or waiting for another process that is at it, takes many seconds. Each
 * chore has a thread of its own; whoever starts one waits a moment, since nearly all are done at once, and leaves it to
 * itself after that. No two chores for one project run side by side.
 */
#pragma once

#include <stdbool.h>

struct app;
struct chores;

enum chore_outcome {
	CHORE_BUSY =
		1, /* the project's last one still runs; `done` will be called when it ends */
};

/* `work` runs on the chore's thread, `done` after each, on the same thread and with no lock held. */
struct chores *chores_new(void (*work)(struct app *app, void *arg), void (*done)(void *arg),
			  void *arg);
/* Waits for those that run. */
void chores_free(struct chores *e);

/* 0 (done, or left to itself) or CHORE_BUSY. From one thread only. */
int chores_run(struct chores *e, struct app *app);

/* Whether one runs for the project of that name (NULL: for any). */
bool chores_busy(struct chores *e, const char *name);
