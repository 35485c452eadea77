/* provider/agent/descriptors.h - closing what a new process must not inherit.
 */
#pragma once

/* Closes every descriptor from `first` on. */
void descriptors_close_from(int first);

/* The same, but `keep` stays open, as `first`. Returns `first`, or a negative errno. */
int descriptors_keep_only(int keep, int first);
