/* fs/tally.h - how many requests of each kind the kernel sent.
 *
 * What "zero requests" is proven with: counted at the door, before anything is looked at.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum tally_op {
	TALLY_LOOKUP,
	TALLY_FORGET, /* how many inodes were forgotten, not how many messages said so */
	TALLY_GETATTR,
	TALLY_READLINK,
	TALLY_OPEN,
	TALLY_READ,
	TALLY_FLUSH,
	TALLY_OPENDIR,
	TALLY_READDIR,
	TALLY_READDIRPLUS,
	TALLY_GETXATTR,
	TALLY_LISTXATTR,
	TALLY_STATFS,
	TALLY_SETATTR,
	TALLY_CREATE,
	TALLY_MKNOD,
	TALLY_MKDIR,
	TALLY_SYMLINK,
	TALLY_LINK,
	TALLY_UNLINK,
	TALLY_RMDIR,
	TALLY_RENAME,
	TALLY_WRITE,
	TALLY_FALLOCATE,
	TALLY_COPY,
	TALLY_LSEEK,
	TALLY_FSYNC,
	TALLY_SETXATTR,
	TALLY_REMOVEXATTR,
	TALLY_REFUSED, /* of these, attempts to change what cannot be changed; no request of its own */
	TALLY_OPS,
};

struct tally {
	_Atomic uint64_t n[TALLY_OPS];
};

static inline void tally_add(struct tally *t, enum tally_op op, uint64_t n)
{
	atomic_fetch_add_explicit(&t->n[op], n, memory_order_relaxed);
}

const char *tally_name(enum tally_op op);
