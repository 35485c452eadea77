/* provider/agent/descriptors.h - closing what a new process must not inherit.
 */
#pragma once

/* Closes every descriptor from `first` on. */
void descriptors_close_from(int first);

/* The same, but `a` stays open, as `first`, and `b`, which is not `first`, as the one after. Returns `first`, or a
 * negative errno. */
int descriptors_keep_two(int a, int b, int first);
