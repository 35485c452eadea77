/* fs/dirbuf.h - one answer to READDIR or READDIRPLUS, being filled.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/node.h"

struct dirbuf;
struct stat;

/* Adds a name of which the kernel learns only type and inode number. False: full, stop. */
bool dirbuf_add(struct dirbuf *d, const char *name, uint64_t ino, uint32_t mode,
		uint64_t cookie);

/* Adds a name with everything stat says, when the kernel asked for that; it may then remember it
 * for `ttl` seconds. `want` is a template for place_node(); what it owns is taken over. False: full, and
 * nothing was taken. */
bool dirbuf_add_node(struct dirbuf *d, const char *name, struct node *want, double ttl,
		     uint64_t cookie);

/* The same for a node one has, and what stat says of it; the reference stays the caller's. */
bool dirbuf_add_known(struct dirbuf *d, const char *name, struct node *n, const struct stat *st,
		      double ttl, uint64_t cookie);

/* Whether there is room for that name. */
bool dirbuf_fits(const struct dirbuf *d, const char *name);

/* Whether dirbuf_add_node() would make nodes. */
bool dirbuf_wants_nodes(const struct dirbuf *d);
