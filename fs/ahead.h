/* fs/ahead.h - contents handed to the kernel before it asks.
 *
 * Who reads one file of a directory after another would wait for each in turn: a request, a thread woken, an object
 * inflated, an answer, a thread woken. So when two files of a listing have been read, one thread of ours inflates
 * the rest of them and puts them into the kernel's page cache, where reading them is no request at all.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ahead;
struct fs;
struct node;

/* NULL when there is no thread to be had. */
struct ahead *ahead_new(struct fs *fs);
/* Ends the thread; what comes after is ignored. Accepts NULL, as all of these do. */
void ahead_stop(struct ahead *a);
void ahead_free(struct ahead *a);

/* The kernel was told, in this order, of nodes that it did not know. */
void ahead_listed(struct ahead *a, const uint64_t *ids, size_t n);

/* The kernel asked for the first bytes of `n`. */
void ahead_read(struct ahead *a, const struct node *n);
