/* Native files that nothing needs any more.
 *
 * They may not go at once: a power cut can lose the record that says so and keep the removal, and then a file that
 * was synced long ago would come back empty. So they wait until the log is synced past that record: when they are many
 * or large, when somebody syncs anyway, and at the end.
 */
#include "store/work_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"

enum { MANY = 4096 };
#define MUCH ((uint64_t)64 << 20)

struct work_graves {
	uint64_t *inos;
	size_t n, cap;
	uint64_t bytes;
};

struct work_graves *work_graves_new(void)
{
	return alloc_zero(sizeof(struct work_graves));
}

void work_graves_free(struct work_graves *g)
{
	if (!g)
		return;
	free(g->inos);
	free(g);
}

void work_bury(struct work *w, uint64_t ino)
{
	struct work_graves *g = w->graves;
	struct stat st;

	/* During the replay nobody counts: what has no inode afterwards is found on the disk. */
	if (!g)
		return;
	if (!work_native_stat(w, ino, &st))
		g->bytes += (uint64_t)st.st_blocks * 512;
	work_fds_forget(w, ino);
	alloc_grow(&g->inos, &g->cap, g->n + 1, sizeof(*g->inos));
	g->inos[g->n++] = ino;
}

/* Unless the inode has native bytes again: a clean file whose old ones were dropped may have been written to. */
static void remove_native(struct work *w, uint64_t ino)
{
	char path[WORK_NATIVE_PATH];
	const struct work_node *n;

	work_native_path(ino, path);
	LOCKED(&w->lock);
	n = work_node_find(w, ino);
	if (n && (n->r.flags & WORK_NATIVE || n->copying || n->n_writers))
		return;
	if (unlinkat(w->files_fd, path, 0) && errno != ENOENT)
		log_warn("work tree '%s': remove '%s': %s, ignoring", w->info.name, path,
			 strerror(errno));
}

void work_dig(struct work *w, bool all)
{
	struct work_graves *g = w->graves, mine;

	pthread_mutex_lock(&w->lock);
	mine = *g;
	if (!mine.n || (!all && mine.n < MANY && mine.bytes < MUCH)) {
		pthread_mutex_unlock(&w->lock);
		return;
	}
	*g = (struct work_graves){0};
	pthread_mutex_unlock(&w->lock);
	if (work_log_sync(w)) {
		/* Their names stay; the next opening finds them. */
		free(mine.inos);
		return;
	}
	for (size_t i = 0; i < mine.n; i++)
		remove_native(w, mine.inos[i]);
	free(mine.inos);
}
