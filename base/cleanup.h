/* base/cleanup.h - scope frees what it owns.
 *
 *	CLEANUP(free_p) char *name = alloc_str(x);
 *	...
 *	*ret = TAKE(name);      the caller owns it now
 */
#pragma once

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Yields `p` and leaves NULL behind, so that its cleanup does nothing. */
#define TAKE(p)                                                                                \
	({                                                                                     \
		__typeof__(p) take_ = (p);                                                     \
		(p) = NULL;                                                                    \
		take_;                                                                         \
	})

/* The same for a descriptor: yields it and leaves -1. */
#define TAKE_FD(fd)                                                                            \
	({                                                                                     \
		int take_ = (fd);                                                              \
		(fd) = -1;                                                                     \
		take_;                                                                         \
	})

/* Defines `static void fn##p(type *)`, the cleanup of a pointer freed by `fn`. */
#define DEFINE_CLEANUP(type, fn)                                                               \
	__attribute__((unused)) static inline void fn##p(type *p)                              \
	{                                                                                      \
		if (*p)                                                                        \
			fn(*p);                                                                \
	}

__attribute__((unused)) static inline void free_p(void *p)
{
	free(*(void **)p);
}

__attribute__((unused)) static inline void close_p(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

__attribute__((unused)) static inline void unlock_p(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

/* Holds `m` until the end of the scope. */
#define LOCKED(m)                                                                              \
	CLEANUP(unlock_p)                                                                      \
	__attribute__((unused)) pthread_mutex_t *locked_ = (pthread_mutex_lock(m), (m))
