/* store/store.h - an opened home.
 *
 * A home is a directory:
 *
 *	version                "1\n": the format; a larger number is refused
 *	projects/<name>.git    bare repositories, the truth for history
 *	index/                 LMDB; rebuilt from git whenever it is missing or unreadable
 *	state/                 LMDB; work trees, sandboxes, operation log, mirror journal
 *	sandboxes/<id>/        what the local provider keeps
 *	cache/                 extracted blobs, evictable
 *	run/                   daemon.pid, socket, log, locks
 *
 * A `struct store` is shared by all threads of a process and by any number of processes.
 * Everything below it is thread-safe unless its header says otherwise.
 */
#pragma once

#include <stdint.h>

struct store;
struct index;

enum { STORE_VERSION = 1 };

enum store_outcome {
	STORE_ABSENT = 1, /* `home` is not a fragfs home; `frag init` makes one */
	STORE_NEWER,      /* written by a newer version of fragfs */
};

/* Makes a home, durably; an existing one is left as it is. 0, STORE_NEWER, or a fault
 * (-ENOTEMPTY when the directory holds something else). */
int store_init(const char *home);

/* Opens `home` (an absolute path). Opening rebuilds a missing index. 0, an outcome, or a fault. */
int store_open(const char *home, struct store **ret);
void store_close(struct store *st);

const char *store_home(const struct store *st);
int store_home_fd(const struct store *st); /* directory descriptors, borrowed */
int store_projects_fd(const struct store *st);
int store_run_fd(const struct store *st);
struct index *store_index(struct store *st);
