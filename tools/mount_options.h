/* tools/mount_options.h - what `-o` may say, to us and through mount(8) and fstab. Pure.
 */
#pragma once

#include <stdbool.h>

struct buf;

enum mount_options_outcome {
	MOUNT_OPTIONS_BAD = 1, /* `why` says which one and why */
};

struct mount_options {
	char *pass; /* for libfuse; NULL: none */
	bool allow_other;
};

/* Sorts a comma-separated list (NULL: empty): ours, those meant for mount(8) only, and those for libfuse. */
int mount_options_sort(const char *given, struct mount_options *ret, struct buf *why);
void mount_options_deinit(struct mount_options *o);
