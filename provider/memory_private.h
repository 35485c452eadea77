/* provider/memory_private.h - shared by the two halves of the memory provider: verbs, and the agent inside.
 */
#pragma once

#include "provider/memory.h"

#include "base/buf.h"
#include "base/oidmap.h"
#include "provider/agent/wire.h"
#include "provider/provider.h"

/* A path and what it holds; the bytes are in the content store. */
struct memory_file {
	char *path;
	uint32_t mode;
	struct oid oid;
};

/* Ascending by path. */
struct memory_map {
	struct memory_file *files;
	size_t n, cap;
};

struct memory_content {
	char *data;
	size_t len;
	bool resident; /* the agent would find it in its cache */
};

/* One sandbox. */
struct memory_box {
	struct provider_sandbox info;
	bool gone;
	unsigned char epoch[16];
	struct memory_map files;   /* on its disk, below the project directory */
	struct memory_map outside; /* by absolute path */
	struct memory_map applied; /* what the agent put there */
	struct oid current;
	struct memory_box *next;
};

struct memory {
	struct provider provider;
	const struct clock *clock;
	memory_fate_fn fate;
	void *fate_arg;
	struct memory_box *boxes;
	uint64_t n_boxes, bytes_in;
	struct memory_content *contents;
	size_t n_contents, contents_cap;
	struct oidmap by_oid;            /* → index in contents */
	struct memory_pending *pending;  /* calls under way */
	struct memory_session *sessions; /* open streams */
};

struct memory_fate memory_ask(struct memory *m, enum memory_event event, unsigned what);

/* The content store: adds bytes (copied), finds them; NULL when unknown. */
void memory_keep(struct memory *m, const void *data, size_t len, struct oid *ret);
struct memory_content *memory_content(struct memory *m, const struct oid *oid);

struct memory_file *memory_map_find(const struct memory_map *map, const char *path);
void memory_map_put(struct memory_map *map, const char *path, uint32_t mode,
		    const struct oid *oid);
bool memory_map_remove(struct memory_map *map, const char *path);
void memory_map_copy(const struct memory_map *from, struct memory_map *to); /* replaces */
void memory_map_deinit(struct memory_map *map);
/* Is `path` a directory of the map, or is one of its directories a file? */
bool memory_map_blocked(const struct memory_map *map, const char *path);

/* What counts of a sandbox: applied, or not ignored. `ret` is empty before. */
void memory_counted(const struct memory_box *box, struct memory_map *ret);
void memory_map_tree(const struct memory_map *map, struct oid *ret);

/* The agent's side of a new stream. */
struct channel *memory_session_new(struct memory *m, struct memory_box *box);
/* Lets every agent work; true when one did something. */
bool memory_sessions_step(struct memory *m);
/* Somebody in the sandbox changed a file: tells the sessions that watch. */
void memory_sessions_changed(struct memory *m, const struct memory_box *box);
/* Cuts all streams into a sandbox. */
void memory_sessions_cut(struct memory *m, const struct memory_box *box);
/* Forgets all sessions when the provider goes; their channels stay the clients' and end. */
void memory_sessions_orphan(struct memory *m);
/* When the next delayed reply is due; INT64_MAX: none is. */
int64_t memory_sessions_due(const struct memory *m);
