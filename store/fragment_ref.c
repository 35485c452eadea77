/* Writing refs/fragments/<seq>: one durable file each, or one durable packed-refs for all.
 *
 * A loose ref costs a flush, packed-refs two flushes and a rewrite of the whole file; they meet
 * somewhere near a hundred refs. A loose ref is linked into place, which fails when the name is
 * taken: two processes that number with different indexes find out before either is harmed.
 *
 * The high-water mark is a file of digits that is not synced: it only matters when refs were
 * deleted by hand and the index is lost as well.
 */
#include "store/fragment_ref.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "store/packed_refs.h"

enum { LOOSE_MOST = 64, REF_NAME_MAX = 32, MARK_MAX = 16 };

static const char mark_name[] = "fragfs.seq";

uint32_t fragment_ref_mark(int dir_fd)
{
	CLEANUP(close_p) int fd = openat(dir_fd, mark_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[REF_NAME_MAX + MARK_MAX];
	size_t prefix = strlen("refs/fragments/");
	ssize_t n;

	if (fd < 0)
		return 0;
	memcpy(text, "refs/fragments/", prefix);
	n = io_read_all(fd, text + prefix, MARK_MAX - 1);
	if (n < 0)
		return 0;
	text[prefix + (size_t)n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return refs_seq_of_name(text);
}

void fragment_ref_set_mark(int dir_fd, uint32_t seq)
{
	CLEANUP(close_p)
	int fd = openat(dir_fd, mark_name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	char text[MARK_MAX];
	int n = snprintf(text, sizeof(text), "%" PRIu32 "\n", seq);

	/* Digits only ever grow in number, so nothing is left of a longer one. */
	if (fd >= 0)
		(void)!pwrite(fd, text, (size_t)n, 0);
}

/* True when the ref `name` under `dir` points at `oid`. */
static bool points_at(int dir, const char *name, const struct oid *oid)
{
	CLEANUP(close_p) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[OID_HEX_LEN];
	struct oid is;

	return fd >= 0 && io_read_all(fd, text, sizeof(text)) == OID_HEX_LEN &&
	       oid_parse(text, OID_HEX_LEN, &is) && oid_eq(&is, oid);
}

static int write_loose(int dir, const struct refs_seq *ref)
{
	char name[REF_NAME_MAX], temp[REF_NAME_MAX], text[OID_HEX_LEN + 2];
	CLEANUP(close_p) int fd = -1;
	int r;

	(void)snprintf(name, sizeof(name), "%" PRIu32, ref->seq);
	(void)snprintf(temp, sizeof(temp), "%" PRIu32 ".lock", ref->seq);
	oid_hex(&ref->commit, text);
	text[OID_HEX_LEN] = '\n';
	/* Only a killed process of ours can have left one: the numbering lock is held. */
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return fail(-errno, "create 'refs/fragments/%s'", temp);
	r = io_write_all(fd, text, OID_HEX_LEN + 1);
	if (!r && fsync(fd))
		r = -errno;
	if (!r && linkat(dir, temp, dir, name, 0))
		r = -errno;
	(void)unlinkat(dir, temp, 0);
	if (r == -EEXIST)
		return points_at(dir, name, &ref->commit) ? 0 : (int)FRAGMENT_REF_CLASH;
	return r ? fail(r, "write 'refs/fragments/%s'", name) : 0;
}

static int write_few(int dir_fd, const struct refs_seq *refs, size_t n)
{
	CLEANUP(close_p) int dir = -1;
	int r = io_mkdirs(dir_fd, "refs/fragments", 0755);

	if (r)
		return r;
	dir = openat(dir_fd, "refs/fragments", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return fail(-errno, "open 'refs/fragments'");
	for (size_t i = 0; !r && i < n; i++)
		r = write_loose(dir, &refs[i]);
	if (!r && fsync(dir))
		r = fail(-errno, "sync 'refs/fragments'");
	/* The directory itself may be new. */
	return r ? r : io_sync_dir(dir_fd, "refs");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct packed_ref *)a)->name,
		      ((const struct packed_ref *)b)->name);
}

static int write_many(int dir_fd, const struct refs_seq *refs, size_t n)
{
	CLEANUP(free_p) struct packed_ref *packed = alloc_array(n, sizeof(*packed));
	CLEANUP(free_p) char *names = alloc_array(n, REF_NAME_MAX);
	int r;

	for (size_t i = 0; i < n; i++) {
		char *name = names + i * REF_NAME_MAX;

		(void)snprintf(name, REF_NAME_MAX, "refs/fragments/%" PRIu32, refs[i].seq);
		packed[i] = (struct packed_ref){.name = name, .oid = refs[i].commit};
	}
	qsort(packed, n, sizeof(*packed), by_name);
	r = packed_refs_add(dir_fd, packed, n);
	if (r == PACKED_REFS_CLASH)
		return FRAGMENT_REF_CLASH;
	/* It was explained where it was found. */
	return r == PACKED_REFS_LOCKED ? -EBUSY : r;
}

int fragment_ref_write(int dir_fd, const struct refs_seq *refs, size_t n)
{
	int r;

	if (!n)
		return 0;
	r = n <= LOOSE_MOST ? write_few(dir_fd, refs, n) : write_many(dir_fd, refs, n);
	if (!r)
		fragment_ref_set_mark(dir_fd, refs[n - 1].seq);
	return r;
}
