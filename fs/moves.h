/* fs/moves.h - telling the kernel, and who watches, what a switch changed.
 *
 *	m = moves_begin(fs, w); work_switch(w, tree, ig, moves_add, m); moves_end(m);
 *
 * After moves_end() the invalidations are on their way: inval_wait() waits for them, never on a worker.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"

struct fs;
struct moves;
struct work;

struct moves *moves_begin(struct fs *fs, struct work *w);
/* A work_moved_fn; `moves` is the struct moves. */
void moves_add(uint64_t dir, const char *name, void *moves);
/* Queues what was gathered and frees. NULL is fine. */
void moves_end(struct moves *m);

DEFINE_CLEANUP(struct moves *, moves_end)
