/* fs/watch.h - inotify watches on repositories, and what their events mean.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch_set;

/* What happened; `name` is borrowed. */
struct watch_sink {
	/* refs or HEAD of a project may have moved; `deleted`: something went away */
	void (*refs)(const char *project, bool deleted, void *arg);
	/* a project came, went or was replaced */
	void (*project)(const char *name, void *arg);
	/* events were lost: anything may have happened */
	void (*lost)(void *arg);
	void *arg;
};

/* `projects_fd` is borrowed. 0 or a fault. */
int watch_new(int projects_fd, const struct watch_sink *sink, struct watch_set **ret);
void watch_free(struct watch_set *w);

/* Polls readable when watch_read() has something to do. */
int watch_fd(const struct watch_set *w);

/* Reads what is there and tells the sink. */
void watch_read(struct watch_set *w);

/* Watches the repository of a project; doing it again is harmless. */
void watch_project(struct watch_set *w, const char *name);

/* Whether the system refused a watch, so that changes may go unseen. */
bool watch_is_short(const struct watch_set *w);
