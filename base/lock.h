/* base/lock.h - advisory locks between processes, which die with their holder.
 *
 * A lock is a file held by flock(2); the holder writes "<pid> <what>\n" into it, for people
 * only: nobody trusts the pid. The file is never unlinked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum lock_outcome { LOCK_HELD = 1 /* by another process */ };

/* Takes the lock `path`; waits for it when `wait`. `ret` is a descriptor whose closing
 * releases the lock. 0, LOCK_HELD, or a fault. */
int lock_take(int dirfd, const char *path, const char *what, bool wait, int *ret);

/* What the holder wrote, for a message; "" when unknown. */
void lock_holder(int dirfd, const char *path, char *ret, size_t size);
