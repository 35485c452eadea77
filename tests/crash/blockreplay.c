/* A recorded disk, played back to any point.
 *
 * The log is mapped; an array points at its records. Two images are kept: `flushed`, the disk at the last
 * flush reached, and the copy a cut works on. What a disk may do with writes between two flushes is up to
 * it: the prefix keeps them all in order, the torn kind keeps each 4 KiB block by the toss of a coin
 * that the seed fixes, so a violation can be played again.
 */
#include "tests/crash/blockreplay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "tests/crash/blocklog_format.h"

enum { BLOCK = 4096 };

struct blockreplay {
	char *flushed, *work;
	size_t size;
	const char *log;
	size_t log_size;
	const char **records;
	size_t n, cap;
	size_t at; /* `flushed` holds the records before this one */
};

static const void *map(const char *path, size_t *size)
{
	CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) || !st.st_size)
		return NULL;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	*size = (size_t)st.st_size;
	return p == MAP_FAILED ? NULL : p;
}

static struct blocklog_record record(const struct blockreplay *b, size_t i)
{
	struct blocklog_record r;

	memcpy(&r, b->records[i], sizeof(r));
	return r;
}

static void index_records(struct blockreplay *b)
{
	size_t off = 0;

	while (b->log_size - off >= sizeof(struct blocklog_record)) {
		struct blocklog_record r;

		memcpy(&r, b->log + off, sizeof(r));
		if (r.len > b->log_size - off - sizeof(r))
			break;
		alloc_grow(&b->records, &b->cap, b->n + 1, sizeof(*b->records));
		b->records[b->n++] = b->log + off;
		off += sizeof(r) + r.len;
	}
}

struct blockreplay *blockreplay_new(const char *image, const char *log)
{
	struct blockreplay *b = alloc_zero(sizeof(*b));
	const void *start = map(image, &b->size);

	b->log = map(log, &b->log_size);
	if (!start || !b->log) {
		blockreplay_free(b);
		return NULL;
	}
	b->flushed = alloc_copy(start, b->size);
	b->work = alloc_zero(b->size);
	(void)munmap((void *)(uintptr_t)start, b->size);
	index_records(b);
	return b;
}

void blockreplay_free(struct blockreplay *b)
{
	if (!b)
		return;
	if (b->log)
		(void)munmap((void *)(uintptr_t)b->log, b->log_size);
	free(b->records);
	free(b->flushed);
	free(b->work);
	free(b);
}

size_t blockreplay_count(const struct blockreplay *b, int64_t until)
{
	size_t n = 0;

	while (n < b->n && record(b, n).ns <= until)
		n++;
	return n;
}

size_t blockreplay_flushes(const struct blockreplay *b, size_t n_records)
{
	size_t n = 0;

	for (size_t i = 0; i < n_records; i++)
		n += record(b, i).kind == BLOCKLOG_FLUSH;
	return n;
}

int64_t blockreplay_time(const struct blockreplay *b, size_t n)
{
	return n < b->n ? record(b, n).ns : INT64_MAX;
}

static uint64_t toss(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* `seed` NULL: all of it. */
static void apply(const struct blockreplay *b, char *image, size_t i, uint64_t *seed)
{
	struct blocklog_record r = record(b, i);
	const char *data = b->records[i] + sizeof(r);

	for (size_t done = 0, n; done < r.len; done += n) {
		n = BLOCK - (r.offset + done) % BLOCK;
		if (n > r.len - done)
			n = r.len - done;
		if (r.offset + done + n <= b->size && (!seed || toss(seed) & 1))
			memcpy(image + r.offset + done, data + done, n);
	}
}

int blockreplay_cut(struct blockreplay *b, size_t n, enum blockreplay_kind kind, uint64_t seed,
		    int fd)
{
	size_t last = b->at;

	for (size_t i = b->at; i < n; i++) {
		if (record(b, i).kind == BLOCKLOG_FLUSH)
			last = i + 1;
	}
	for (; b->at < last; b->at++)
		apply(b, b->flushed, b->at, NULL);
	memcpy(b->work, b->flushed, b->size);
	for (size_t i = b->at; i < n; i++)
		apply(b, b->work, i, kind == BLOCKREPLAY_TORN ? &seed : NULL);
	if (lseek(fd, 0, SEEK_SET))
		return -errno;
	return io_write_all(fd, b->work, b->size);
}
