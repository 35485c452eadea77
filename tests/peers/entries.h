/* tests/peers/entries.h - what stands in a directory of a sandbox.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct guest;

/* `type` and `target_type` are find(1)'s letters: f, d, l, p, s …; of a link that leads nowhere N, into a circle L. */
struct entry {
	char type, target_type;
	uint64_t size;
	unsigned mode; /* permission bits, of the target for links */
	const char *permissions, *owner, *group;
	unsigned uid, gid;
	int64_t mtime;
	unsigned mtime_ns;
	const char *path, *name;
	const char *target; /* resolved, of a link; else "" */
};

struct entries {
	struct buf text; /* what the entries point into */
	struct entry *list;
	size_t n;
};

/* `path` itself (depth 0), or what is below it down to `depth`, sorted by path. Returns 0, an enum
 * script_exit (`why` of 256 bytes says it), SCRIPT_ASLEEP, or a fault. */
int entries_read(struct guest *g, const char *path, int depth, struct entries *ret, char *why);
void entries_deinit(struct entries *e);

/* The records of find(1), which come from inside the sandbox. -EPROTO when they are none. */
int entries_parse(struct entries *e);
