/* provider/agent/ignore.h - what a sandbox keeps to itself.
 *
 * Dependency trees, build output and caches are made again where they are needed; keys and token
 * stores must never become history. Both ends of the mirror ask here, so that they
 * agree about which files a tree hash counts. What was applied from a fragment always
 * counts, whatever its name: as in git, ignoring is for files nobody tracks.
 */
#pragma once

#include <stddef.h>

enum ignore_verdict {
	IGNORE_NO = 0,
	IGNORE_BULK,   /* made by tools: never listed, hashed, mirrored or committed */
	IGNORE_SECRET, /* likely a credential: never listed, never leaves the sandbox */
};

/* Judges a '/'-separated relative path, every component of it. ASCII case is folded. */
enum ignore_verdict ignore_path(const char *path, size_t len);

/* Judges one component, for walkers that need not open a directory that is ignored as a whole. */
enum ignore_verdict ignore_name(const char *name, size_t len);
