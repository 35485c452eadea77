/* provider/memory.h - the back door of the in-process provider: what its tests do to a sandbox.
 *
 * The memory provider keeps sandboxes as maps of paths and speaks the agent's protocol itself, so that whatever
 * drives a provider can be driven through every fault there is, by a clock of the test's own, without a process
 * or a file. It runs no commands.
 *
 * At every event it asks the test what is to happen; without a test everything goes well.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/oid.h"

struct buf;
struct provider;

enum memory_event {
	MEMORY_CALL,   /* a verb is called: `what` is a letter of its name, see MEMORY_VERBS */
	MEMORY_FRAME,  /* the agent takes a frame from the stream: `what` is its type */
	MEMORY_REPLY,  /* the agent sends a frame: `what` is its type */
	MEMORY_RENAME, /* an apply is about to put its next file in place, or remove it */
};

/* create get list start stop pause resume delete keep-alive put fetch agent-open */
#define MEMORY_VERBS "cgLsSprdkPFa"

enum memory_verdict {
	MEMORY_GO = 0,
	MEMORY_FAIL,      /* call: answer `result` and do nothing */
	MEMORY_FAIL_DONE, /* call: do it, and answer `result` all the same */
	MEMORY_DELAY,     /* call, reply: the answer comes `delay_ms` later */
	MEMORY_DROP,      /* call, reply: it is never answered */
	MEMORY_DUPLICATE, /* reply: it comes twice */
	MEMORY_TRUNCATE,  /* reply: half of the frame comes, then the stream ends */
	MEMORY_CLOSE, /* frame, reply, rename: the stream ends instead, an apply stays half done */
	MEMORY_LIE, /* rename: the agent believes it did everything, and did nothing */
};

struct memory_fate {
	enum memory_verdict verdict;
	int result;
	int64_t delay_ms;
};

/* `ret` is MEMORY_GO before the call. */
typedef void (*memory_fate_fn)(enum memory_event event, unsigned what, struct memory_fate *ret,
			       void *arg);
void memory_set_fate(struct provider *p, memory_fate_fn fn, void *arg);

/* What a user does inside; `path` is below the project directory. False: no such sandbox or file. */
bool memory_write(struct provider *p, const char *id, const char *path, uint32_t mode,
		  const char *text);
bool memory_remove(struct provider *p, const char *id, const char *path);

/* Appends a file's content; `mode` gets git's. */
bool memory_read(struct provider *p, const char *id, const char *path, struct buf *ret,
		 uint32_t *mode);

/* Calls `fn` for every file below the project directory, those that do not count too, in order. */
typedef void (*memory_file_fn)(const char *path, uint32_t mode, const struct oid *oid,
			       void *arg);
void memory_each(struct provider *p, const char *id, memory_file_fn fn, void *arg);

/* The tree of what counts, as a VERIFY would find it. */
bool memory_tree(struct provider *p, const char *id, struct oid *ret);

/* The provider puts an empty sandbox in its place: no files, no epoch, same id. */
bool memory_recreate(struct provider *p, const char *id);
/* It stops, as after an idle time. */
bool memory_sleep(struct provider *p, const char *id);
/* The agent forgets contents that no file has. */
void memory_evict(struct provider *p);

/* Bytes that clients have sent over streams so far. */
uint64_t memory_bytes_in(const struct provider *p);
