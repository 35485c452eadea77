/* base/judge.h - the one judge of names that leave the object store.
 *
 * Nothing but git's checkout guards against hostile trees, and a filesystem never passes through a
 * checkout. Mount, work tree, mirror, import and return path all ask here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum judge_verdict {
	JUDGE_FINE = 0,
	JUDGE_EMPTY,     /* no name */
	JUDGE_TOO_LONG,  /* over 255 bytes */
	JUDGE_DOTS,      /* "." or ".." */
	JUDGE_SLASH,     /* holds a slash */
	JUDGE_NUL,       /* holds a NUL byte */
	JUDGE_DOTGIT,    /* ".git" in any spelling that HFS+ or NTFS take for it */
	JUDGE_BAD_MODE,  /* not 040000, 100644, 100755, 120000 or 160000 */
	JUDGE_UNSORTED,  /* not in git's order after its predecessor */
	JUDGE_DUPLICATE, /* the name stood before, as file or directory */
};

enum {
	MODE_TREE = 0040000,
	MODE_FILE = 0100644,
	MODE_EXEC = 0100755,
	MODE_LINK = 0120000,
	MODE_GITLINK = 0160000,
};

/* Judges one (name, mode) on its own: everything except order and duplicates. 100664 of old git is
 * taken as 100644 by the tree parser before it asks. */
enum judge_verdict judge_name(const char *name, size_t len);
enum judge_verdict judge_entry(const char *name, size_t len, uint32_t mode);

/* Judges a '/'-separated relative path: every component, at most 4,095 bytes and 128 deep. */
enum judge_verdict judge_path(const char *path, size_t len);

/* A sentence part: "its name is a spelling of .git". */
const char *judge_words(enum judge_verdict v);
