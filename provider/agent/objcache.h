/* provider/agent/objcache.h - contents that were replaced a moment ago.
 *
 * An undo, or a switch back, finds its bytes here and need not send them again. Bounded in bytes and
 * in number; the oldest goes first. What is taken out is hashed again by whoever takes it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

enum {
	OBJCACHE_BYTES = 64 << 20,
	OBJCACHE_FILE = 8 << 20, /* larger ones are not worth the room */
	OBJCACHE_N = 8192,
};

struct cached {
	struct oid oid;
	uint64_t size;
};

struct objcache {
	int dir; /* .frag/objects */
	struct cached ring[OBJCACHE_N];
	size_t first, n;
	uint64_t bytes;
};

/* Opens (makes) "objects" below `frag`. 0 or a negative errno. */
int objcache_open(struct objcache *c, int frag);
void objcache_close(struct objcache *c);

/* Moves the file `name` of `dirfd` in as `oid`, or removes it when there is no room for it. */
void objcache_take(struct objcache *c, int dirfd, const char *name, const struct cached *what);

/* A descriptor to read from, or -ENOENT. */
int objcache_get(const struct objcache *c, const struct oid *oid);
