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
 * Integers are little-endian; `str` is u16 length and bytes, none of them NUL; `data` is u32 length and bytes,
 * WIRE_DATA_MAX at most; `oid` is 20 bytes; `tree` is an oid. Either side closes the stream at a frame it cannot
 * decode, after an ERROR frame. The codec is used by both ends and fuzzed.
 * A session starts with HELLO; the agent answers WELCOME, whose tree is the one applied last (the empty tree at first).
 *
 * An apply is: APPLY, then any number of FILE and REMOVE frames, then COMMIT; the agent answers
 * APPLIED or ERROR once. Until COMMIT it only writes into its staging directory; COMMIT compares the
 * current tree with `from` and, when it is equal, renames everything into place in the order
 * directories, added, modified, links, config and lockfiles, removals. The changes must make `to` exactly, else
 * WIRE_E_HASH and nothing is touched. Links are FILEs whose content is their target; a submodule is a FILE of
 * mode 160000, size 0, whose oid is its commit. After an ERROR the agent skips the frames of that id up to its
 * COMMIT and the stream goes on; only WIRE_E_PROTOCOL ends it. Frames are answered in order, so a VERIFY may
 * follow a COMMIT at once: a switch is one round trip.
 *
 * What counts: a file, link or executable below the root that was applied, or for which ignore_path() (ignore.h) says
 * IGNORE_NO. Everything else is not listed, hashed, compared or touched. `current` is the tree of what
 * counts as last applied or listed. VERIFY recomputes and answers what is there now, `current` stays. A MANIFEST
 * adopts what it lists: its tree is `current` from then on and its entries are what DRIFT compares with, so an
 * APPLY with that tree as `from` replaces it knowingly. An epoch of zeros means that none was planted; an empty
 * root has the tree of no entries (4b825dc6…).
 *
 * After a WATCH the agent says CHANGED, between replies, when what counts has become other than `current` by somebody
 * else's doing, or `current` again: soon after things fall quiet, and once for each state of things. What our own
 * applies do is no news.
 *
 * A job is a command that outlives its session: it has no input, and what it says is kept, the latest 8 MiB at least.
 * ATTACH gives its OUTPUTs from the first that is kept, then its EXITED; ERROR WIRE_E_MISSING when there is none
 * of that ref. Its session may end at any time without harm.
 *
 * EXEC, ATTACH and FORWARD are the last request of their session: only STDIN, SIGNAL and RESIZE (raw bytes after FORWARD's OK) may
 * follow, and the agent closes the stream when they end. When the client closes first, the command's process group
 * is killed. EXITED comes when the command itself has ended, though a child of its may go on in the background.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/oid.h"

enum {
	WIRE_VERSION = 1,
	WIRE_FRAME_MAX = 4 << 20,
	WIRE_DATA_MAX = 1 << 20, /* bytes of content in one frame */
	WIRE_PATH_MAX = 4095,
	WIRE_HEADER_LEN = 12, /* with `len` */
};

enum wire_type {
	/* client → agent */
	WIRE_HELLO = 1, /* u16 version */
	WIRE_APPLY =
		2, /* tree from, tree to, u32 n_changes, u8 flags (enum wire_apply_flags) */
	WIRE_FILE =
		3, /* u32 mode, oid, u64 size, u8 source (enum wire_source), str path, data: first bytes */
	WIRE_MORE = 4,     /* data: the next bytes of the FILE before */
	WIRE_REMOVE = 5,   /* str path */
	WIRE_COMMIT = 6,   /* nothing */
	WIRE_VERIFY = 7,   /* u8 flags (enum wire_verify_flags) */
	WIRE_MANIFEST = 8, /* nothing: list every file under the root, hashed, and adopt it */
	WIRE_FETCH =
		9, /* str path: below the root, or absolute in the sandbox; a link gives its target */
	WIRE_EXEC =
		10, /* str cwd ("": the root), u16 n, str argv…, u16 n, str env…, u8 flags (enum
		       wire_exec_flags), u16 rows, u16 cols (of the terminal) */
	WIRE_STDIN = 11,  /* data; empty: end of input */
	WIRE_SIGNAL = 12, /* u8 signal, to the exec's process group */
	WIRE_FORWARD =
		13, /* u16 port: after OK the stream is raw bytes to 127.0.0.1:port (or [::1]:port) */
	WIRE_EPOCH =
		14, /* 16 bytes: plant the nonce (only when none is set); OK, or ERROR WIRE_E_MOVED */
	WIRE_PUT =
		15, /* u32 mode, str absolute path, data; then MORE frames; empty MORE ends; OK */
	WIRE_WATCH =
		16, /* nothing: tell of the sandbox's own changes from now on; OK, or ERROR WIRE_E_IO */

	WIRE_RESIZE = 17, /* u16 rows, u16 cols: of the exec's terminal */
	WIRE_ATTACH = 18, /* str ref, u8 flags (enum wire_attach_flags): see below */
	WIRE_JOBS = 19,   /* nothing: JOB…, END */
	WIRE_KILL =
		20, /* str ref, u8 signal: to a job's process group; OK, or ERROR WIRE_E_MISSING */

	/* agent → client */
	WIRE_WELCOME = 64, /* u16 version, 16 bytes epoch, tree current, u32 pid, str root */
	WIRE_APPLIED = 65, /* tree now, u32 n_files, u32 apply_us */
	WIRE_VERIFIED =
		66, /* tree now, u32 n_files, u32 n_drift (paths that differ from `current`) */
	WIRE_ENTRY =
		67, /* u32 mode, oid, u64 size, str path: one of a MANIFEST, in the order of their bytes */
	WIRE_END =
		68, /* u32 n (ENTRYs or BYTESs before it), tree current, u32 n_skipped (not for git: devices …) */
	WIRE_BYTES = 69,   /* data: of a FETCH */
	WIRE_STARTED = 70, /* u32 pid */
	WIRE_OUTPUT = 71,  /* u8 fd (1 or 2), data */
	WIRE_EXITED = 72,  /* u16 status */
	WIRE_OK = 73,
	WIRE_JOB =
		75, /* str ref, u8 flags (1: it runs), u16 status, u64 size: when it started (seconds), str message: its command */
	WIRE_CHANGED = 74, /* u32 n_drift: unasked, with the id of the WATCH; see below */
	WIRE_ERROR = 127,  /* u16 code (enum wire_error), tree current, str message */
};

enum wire_verify_flags {
	WIRE_VERIFY_FULL = 1 << 0, /* rehash every file; else unchanged stat data is trusted */
};

enum wire_exec_flags {
	WIRE_EXEC_TTY = 1 << 0,
	WIRE_EXEC_BACKGROUND =
		1 << 1, /* a job: after STARTED comes its JOB, and the session ends */
};

enum wire_attach_flags {
	WIRE_ATTACH_NO_FOLLOW = 1 << 0, /* OK at the end of what it said so far */
};

enum wire_apply_flags {
	WIRE_APPLY_RESIDENT = 1 << 0 /* contents may come from the agent's object cache */
};

enum wire_source {
	WIRE_INLINE = 0, /* bytes follow */
	WIRE_CACHED = 1, /* take it from the object cache; absent: ERROR WIRE_E_NOT_RESIDENT */
};

enum wire_error {
	WIRE_E_PROTOCOL = 1,
	WIRE_E_MOVED, /* current tree is not `from`: the tree in the frame is what is there */
	WIRE_E_DRIFT, /* a path to be changed is not what was applied; message names it */
	WIRE_E_NOT_RESIDENT,
	WIRE_E_HASH,    /* bytes received do not have the oid named */
	WIRE_E_PATH,    /* refused by the judge */
	WIRE_E_IO,      /* message says what; ENOSPC among them */
	WIRE_E_EXEC,    /* could not be started */
	WIRE_E_MISSING, /* FETCH: no such file */
	WIRE_E_BUSY,    /* too many sessions or processes */
};

/* Borrowed bytes; a `wire_str` has no NUL inside and none promised after it. */
struct wire_str {
	const char *p;
	size_t len;
};

struct wire_data {
	const void *p;
	size_t len;
};

/* `n` strs as they stand in a frame. */
struct wire_list {
	const void *p;
	size_t len;
	uint16_t n;
};

/* A frame of any type; only the fields named at its type mean something, all others are zero after decoding. */
struct wire_frame {
	enum wire_type type;
	uint32_t id;
	uint8_t flags, source, signal, fd;
	uint16_t version, port, status, code, rows, cols;
	uint32_t mode, n_changes, n_files, n_drift, n, n_skipped, pid, apply_us;
	uint64_t size;
	unsigned char epoch[16];
	struct oid tree, from, to, oid;
	struct wire_str path, cwd, root, message;
	struct wire_data data;
	struct wire_list argv, env;
};

enum wire_outcome {
	WIRE_SHORT = 1, /* the bytes end before the frame does */
	WIRE_BAD,       /* not a frame of this protocol: close the stream */
};

/* Appends `f`. 0; -EINVAL (silent) when a field breaks a limit; or buf's faults. */
int wire_encode(struct buf *out, const struct wire_frame *f);

/* Reads the frame at the start of `in`; `ret` borrows from it and `used` is its length. Both are
 * untouched unless 0 is returned. 0, WIRE_SHORT or WIRE_BAD. */
int wire_decode(const void *in, size_t len, struct wire_frame *ret, size_t *used);

struct wire_str wire_str(const char *s);
struct wire_data wire_data(const void *p, size_t len);

/* Appends one str to the bytes of a list; set `p`, `len` and `n` of the wire_list from them. */
int wire_list_add(struct buf *bytes, const char *s);

/* Takes the first str off the list; false when there is none. */
bool wire_list_next(struct wire_list *l, struct wire_str *ret);

/* Bytes from a stream, cut into frames. */
struct wire_stream {
	struct buf in;
	size_t at;
};

void wire_stream_init(struct wire_stream *s);
void wire_stream_deinit(struct wire_stream *s);

/* Room for the next read of the stream: at least 4 KiB at `*p`, NULL when memory ran out. Frames given out
 * before are void. */
void *wire_stream_room(struct wire_stream *s, size_t *len);
void wire_stream_filled(struct wire_stream *s, size_t n);

/* As wire_decode(), of the next frame; it stays valid until wire_stream_room(). */
int wire_stream_next(struct wire_stream *s, struct wire_frame *ret);

/* What is left of the stream behind the last frame given out (raw bytes after FORWARD). */
struct wire_data wire_stream_rest(const struct wire_stream *s);

/* "WELCOME" and the like, for logs; and a sentence part for an enum wire_error. */
const char *wire_type_name(unsigned type);
const char *wire_error_words(unsigned code);
