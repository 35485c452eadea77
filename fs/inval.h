/* fs/inval.h - telling the kernel, unasked, what it must forget.
 *
 * The kernel may answer such a message only after it has taken locks that a request of ours holds, so
 * they go out from one thread that holds no lock and serves no request.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct fuse_session;
struct inval;

enum inval_kind {
	INVAL_ENTRY, /* directory `id`: the name no longer means what it did, or means something now */
	INVAL_INODE, /* attributes, and the listing of a directory or the pages of a file */
};

struct inval_item {
	enum inval_kind kind;
	uint64_t id;
	char *name; /* malloc'ed; NULL for an inode */
};

/* Starts the thread. `se` is borrowed. */
struct inval *inval_new(struct fuse_session *se);
/* Ends the thread; what is still queued is dropped, later calls do nothing. The workers must still be answering: the kernel
 * may hold the message in hand until one of them has. */
void inval_stop(struct inval *v);
void inval_free(struct inval *v); /* after inval_stop() */

/* Takes over the names of `n` items; the array stays the caller's. Returns at once. */
void inval_queue(struct inval *v, const struct inval_item *items, size_t n);

/* Waits until everything queued before is known to the kernel. Never from a worker. */
void inval_wait(struct inval *v);
