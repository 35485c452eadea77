/* store/mdb.h - the border with LMDB.
 *
 * Only files of store/ include it. fail_mdb() turns LMDB's codes, which are its own negative
 * ones or positive errnos, into negative errnos and quotes LMDB's words.
 */
#pragma once

#include <errno.h>
#include <lmdb.h>

#include "base/cleanup.h"
#include "base/error.h"

#define fail_mdb(code, ...)                                                                    \
	fail_words_at(__FILE__, __LINE__, mdb_errno(code), mdb_strerror(code), __VA_ARGS__)

static inline int mdb_errno(int code)
{
	if (code > 0)
		return -code;
	return code == MDB_MAP_FULL ? -ENOSPC : -EIO;
}

DEFINE_CLEANUP(MDB_env *, mdb_env_close)
DEFINE_CLEANUP(MDB_txn *, mdb_txn_abort)
DEFINE_CLEANUP(MDB_cursor *, mdb_cursor_close)
