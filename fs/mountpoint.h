/* fs/mountpoint.h - whether we may mount there, and clearing away a dead mount of ours.
 */
#pragma once

#include <stdbool.h>

/* 0, an fs_outcome, or a fault. A mount of ours whose daemon died is detached first. */
int mountpoint_prepare(const char *path, const char *home);

/* Unmounts `path`, lazily if it is busy. 0 or a fault. */
int mountpoint_detach(const char *path);

/* Whether mountinfo's text `info` shows a mount at `path` (the topmost one); `is_ours` says whether its type is fuse.frag.
 * For tests and the above. */
bool mountpoint_find(const char *info, const char *path, bool *is_ours);
