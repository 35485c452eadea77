/* Notes are lines "<ns> begin|done <key> <value>", written by one write(2) each, so that a killed
 * workload leaves whole lines. Keys and values hold no space. The judging is a pure function
 * over them.
 */
#include "tests/crash/acks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"

enum { WORD_MAX = 160, FILE_LIMIT = 64 << 20 };

struct ack {
	int64_t ns;
	bool done;
	char key[WORD_MAX], value[WORD_MAX];
};

struct acks {
	int fd; /* of the writing side */
	struct ack *list;
	size_t n, cap;
};

struct acks *acks_create(const char *path)
{
	struct acks *a = alloc_zero(sizeof(*a));

	a->fd = (int)syscall(SYS_openat, AT_FDCWD, path,
			     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	return a;
}

static void note(struct acks *a, const char *what, const char *key, const char *value)
{
	char line[2 * WORD_MAX + 64];
	int n = snprintf(line, sizeof(line), "%" PRId64 " %s %s %s\n", clock_ns(), what, key,
			 value);

	/* Around libc, where faults are injected: a promise is noted or the harness ends. */
	if (n <= 0 || n >= (int)sizeof(line) || syscall(SYS_write, a->fd, line, (size_t)n) != n)
		abort();
}

void acks_begin(struct acks *a, const char *key, const char *value)
{
	note(a, "begin", key, value);
}

void acks_done(struct acks *a, const char *key, const char *value)
{
	note(a, "done", key, value);
}

struct acks *acks_load(const char *path)
{
	CLEANUP(fclosep) FILE *f = fopen(path, "re");
	struct acks *a = alloc_zero(sizeof(*a));
	struct ack k;
	char what[8];

	a->fd = -1;
	while (f &&
	       fscanf(f, "%" SCNd64 " %7s %159s %159s", &k.ns, what, k.key, k.value) == 4) {
		k.done = !strcmp(what, "done");
		alloc_grow(&a->list, &a->cap, a->n + 1, sizeof(*a->list));
		a->list[a->n++] = k;
	}
	return a;
}

void acks_free(struct acks *a)
{
	if (!a)
		return;
	if (a->fd >= 0)
		close(a->fd);
	free(a->list);
	free(a);
}

size_t acks_count(const struct acks *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += a->list[i].done;
	return n;
}

void acks_keys(const struct acks *a, int64_t cut, acks_key_fn fn, void *arg)
{
	for (size_t i = 0; i < a->n && a->list[i].ns < cut; i++) {
		bool seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = a->list[k].done && !strcmp(a->list[k].key, a->list[i].key);
		if (a->list[i].done && !seen)
			fn(a->list[i].key, arg);
	}
}

bool acks_allow(const struct acks *a, int64_t cut, const char *key, const char *value)
{
	bool allowed = !strcmp(value, "-");

	for (size_t i = 0; i < a->n && a->list[i].ns < cut; i++) {
		const struct ack *k = &a->list[i];

		if (strcmp(k->key, key) != 0)
			continue;
		if (k->done)
			allowed = !strcmp(k->value, value);
		else
			allowed = allowed || !strcmp(k->value, value);
	}
	return allowed;
}
