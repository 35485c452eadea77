/* provider/agent/wire.h - what is said to the agent, byte for byte.
 *
 * One stream carries one session. A frame is
 *
 *	u32 len      of what follows, WIRE_FRAME_MAX at most
 *	u8  type     enum wire_type
 *	u8  flags    0
 *	u16 reserved 0
 *	u32 id       chosen by the client; replies carry it
 *	...          the payload, as written at each type
 *
 * Integers are little-endian; `str` is u16 length and bytes; `data` is u32 length and bytes; `oid` is 20 bytes;
 * `tree` is an oid. Either side closes the stream at a frame it cannot decode, after an ERROR frame.
 * The codec is used by both ends and fuzzed.
 *
 * An apply is: APPLY, then any number of FILE and REMOVE frames, then COMMIT; the agent answers
 * APPLIED or ERROR once. Until COMMIT it only writes into its staging directory; COMMIT compares the
 * current tree with `from` and, when it is equal, renames everything into place in the order
 * directories, added, modified, links, config and lockfiles, removals. After an ERROR the agent skips the
 * frames of that id up to its COMMIT and the stream goes on; only WIRE_E_PROTOCOL ends it. Frames are
 * answered in order, so a VERIFY may follow a COMMIT at once: a switch is one round trip.
 *
 * What counts: a file, link or executable below the root that was applied, or for which ignore_path() (ignore.h) says
 * IGNORE_NO. Everything else is not listed, hashed, compared or touched. `current` is the tree of what
 * counts as last applied or listed. VERIFY recomputes and answers what is there now, `current` stays. A MANIFEST
 * adopts what it lists: its tree is `current` from then on and its entries are what DRIFT compares with, so an
 * APPLY with that tree as `from` replaces it knowingly. An epoch of zeros means that none was planted; an empty
 * root has the tree of no entries (4b825dc6…).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct buf;
struct reader;

enum {
	WIRE_VERSION = 1,
	WIRE_FRAME_MAX = 4 << 20,
	WIRE_DATA_MAX = 1 << 20, /* bytes of content in one frame */
	WIRE_PATH_MAX = 4095,
	WIRE_HEADER_LEN = 12, /* with `len` */
};

enum wire_type {
	/* client → agent */
	WIRE_HELLO = 1,   /* u16 version */
	WIRE_APPLY = 2,   /* tree from, tree to, u32 n_changes, u8 flags (enum wire_apply_flags) */
	WIRE_FILE = 3,    /* u32 mode, oid, u64 size, u8 source (enum wire_source), str path, data: first bytes */
	WIRE_MORE = 4,    /* data: the next bytes of the FILE before */
	WIRE_REMOVE = 5,  /* str path */
	WIRE_COMMIT = 6,  /* nothing */
	WIRE_VERIFY = 7,  /* u8 full: 1 rehashes every file, 0 trusts unchanged stat data */
	WIRE_MANIFEST = 8, /* nothing: list every file under the root, hashed */
	WIRE_FETCH = 9,   /* str path */
	WIRE_EXEC = 10,   /* str cwd, u16 n, str argv…, u16 n, str env…, u8 tty (0) */
	WIRE_STDIN = 11,  /* data; empty: end of input */
	WIRE_SIGNAL = 12, /* u8 signal, to the exec's process group */
	WIRE_FORWARD = 13, /* u16 port: from the reply on, the stream is raw bytes to 127.0.0.1:port */
	WIRE_EPOCH = 14,  /* 16 bytes: plant the nonce (only when none is set) */
	WIRE_PUT = 15,    /* u32 mode, str absolute path, data; then MORE frames; empty MORE ends */

	/* agent → client */
	WIRE_WELCOME = 64,  /* u16 version, 16 bytes epoch, tree current, u32 pid, str root */
	WIRE_APPLIED = 65,  /* tree now, u32 n_files, u32 apply_us */
	WIRE_VERIFIED = 66, /* tree now, u32 n_files, u32 n_drift (paths that differ from what was applied) */
	WIRE_ENTRY = 67,    /* u32 mode, oid, u64 size, str path: one of a MANIFEST */
	WIRE_END = 68,      /* u32 n: end of a MANIFEST or FETCH */
	WIRE_BYTES = 69,    /* data: of a FETCH */
	WIRE_STARTED = 70,  /* u32 pid */
	WIRE_OUTPUT = 71,   /* u8 fd (1 or 2), data */
	WIRE_EXITED = 72,   /* u16 status */
	WIRE_OK = 73,
	WIRE_ERROR = 127,   /* u16 code (enum wire_error), tree current, str message */
};

enum wire_apply_flags { WIRE_APPLY_RESIDENT = 1 << 0 /* contents may come from the agent's object cache */ };

enum wire_source {
	WIRE_INLINE = 0, /* bytes follow */
	WIRE_CACHED = 1, /* take it from the object cache; absent: ERROR WIRE_E_NOT_RESIDENT */
};

enum wire_error {
	WIRE_E_PROTOCOL = 1,
	WIRE_E_MOVED,        /* current tree is not `from`: the tree in the frame is what is there */
	WIRE_E_DRIFT,        /* a path to be changed is not what was applied; message names it */
	WIRE_E_NOT_RESIDENT,
	WIRE_E_HASH,         /* bytes received do not have the oid named */
	WIRE_E_PATH,         /* refused by the judge */
	WIRE_E_IO,           /* message says what; ENOSPC among them */
	WIRE_E_EXEC,         /* could not be started */
};
