/* base/gitignore_glob.h - git's wildcards in a path.
 *
 * `?` and sets are one byte, `*` any number, none of them a slash; a component that is `**` is any number of
 * components. `\` takes the next byte as it is; at the end it matches nothing. Sets know ranges, `!` or `^`, and
 * the classes of POSIX in ASCII.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* How many bytes stand before the first one that is special. */
size_t glob_literal(const char *pattern);

/* Whether the whole of `text` fits. The start of the pattern counts as the start of a component, even when it is not. */
bool glob_match(const char *pattern, const char *text);
