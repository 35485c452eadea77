/* provider/agent/apply.h - a change of tree on its way in: announced, received, not yet visible.
 *
 * Contents go to the staging directory, one numbered slot per change, with their final mode, and are
 * hashed while they arrive. sweep.h puts them in place.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/oid.h"
#include "base/sha1.h"
#include "provider/agent/refusal.h"
#include "provider/agent/wire.h"

struct objcache;

/* In the order of the sweep. */
enum change_phase {
	PHASE_BECOMES_DIR, /* a file makes room for a directory */
	PHASE_ADD,
	PHASE_MODIFY,
	PHASE_LINK,   /* links, submodules, changes of type */
	PHASE_CONFIG, /* what dev servers restart on */
	PHASE_REMOVE,
};

struct change {
	char *path;
	uint32_t mode; /* of git; 0 removes */
	struct oid oid;
	uint64_t size;
	uint32_t slot;
	enum change_phase phase;
	bool settled; /* it is so already */
	bool done;    /* moved into place by this sweep */
	bool stands;  /* something stands there, `seen` says what */
	struct stat seen;
};

struct apply {
	struct oid from, to;
	uint32_t n_expected, number; /* of the directory below stage/ */
	int stage_root, dir;
	struct change *changes;
	size_t n, cap;
	/* the file being received */
	bool receiving;
	int fd; /* -1 for a link */
	uint64_t left;
	struct sha1 sha;
	struct buf target;
};

/* `stage_root` is the directory "stage" and is borrowed; `number` is not in use there. */
int apply_begin(struct apply *a, int stage_root, uint32_t number, const struct wire_frame *f,
		struct refusal *why);
/* Removes what is left in the staging directory. */
void apply_deinit(struct apply *a);

/* FILE, MORE, REMOVE. 0 or an enum wire_error. */
int apply_file(struct apply *a, const struct objcache *cache, const struct wire_frame *f,
	       struct refusal *why);
int apply_more(struct apply *a, const struct wire_frame *f, struct refusal *why);
int apply_remove(struct apply *a, const struct wire_frame *f, struct refusal *why);

/* Is everything here that was announced? 0 or an enum wire_error. */
int apply_complete(const struct apply *a, struct refusal *why);

/* The name of a slot. */
enum { SLOT_MAX = 16 };
char *apply_slot(uint32_t slot, char ret[SLOT_MAX]);
