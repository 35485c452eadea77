/* provider/local_wipe.h - removing what a sandbox left, whatever it made of it.
 */
#pragma once

#include <stdbool.h>

/* A removal under way: of the directory `name` below `dir_fd` (borrowed). */
struct wipe {
	int dir_fd, top; /* top: the directory itself, -1 before */
	unsigned next;   /* names for what was moved up */
	char name[64];
};

void wipe_init(struct wipe *w, int dir_fd, const char *name);
void wipe_deinit(struct wipe *w);

/* Removes some thousand entries at most. 0 when nothing is left, WIPE_MORE, or a fault. */
enum wipe_outcome { WIPE_MORE = 1 };
int wipe_step(struct wipe *w);

/* Kills a sandbox if it runs and removes all of it, at once. For one that nobody knows yet. */
void wipe_box(int dir_fd, const char *id);
