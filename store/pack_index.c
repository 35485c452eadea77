/* Bounds of pack indexes, checked before libgit2 follows them.
 *
 * libgit2 believes the offsets in an index: one flipped bit makes it read outside of the mapped
 * pack, and the whole process dies. So when a database is opened, every offset is looked at
 * once; that is a scan of four bytes an object, two milliseconds for a million. What an offset
 * inside the pack leads to is checked by whoever inflates it.
 *
 * Version 2: magic, version, 256 counts, ids, checksums, offsets (the high bit: an index into the next
 * table), 64-bit offsets, two hashes. Version 1: 256 counts, then offset and id together, two hashes.
 */
#include "store/pack_index.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/oid.h"

enum {
	FANOUT = 256,
	HEAD_LEN = 8,       /* magic and version */
	PACK_HEAD_LEN = 12, /* where the first object starts */
	TRAILER = 2 * OID_LEN,
	V1_ENTRY = 4 + OID_LEN,
	V2_ENTRY = OID_LEN + 4 + 4,
};

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool fanout_ok(const unsigned char *fanout)
{
	for (size_t i = 1; i < FANOUT; i++) {
		if (be32(fanout + 4 * i) < be32(fanout + 4 * (i - 1)))
			return false;
	}
	return true;
}

static bool offset_ok(uint64_t off, size_t pack_size)
{
	return off >= PACK_HEAD_LEN && off < pack_size - OID_LEN;
}

static bool v1_ok(const unsigned char *data, size_t len, size_t pack_size)
{
	const size_t head = (size_t)4 * FANOUT;
	size_t n = len < head ? 0 : be32(data + head - 4);

	if (len < head || !fanout_ok(data) || len != head + n * V1_ENTRY + TRAILER)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!offset_ok(be32(data + head + i * V1_ENTRY), pack_size))
			return false;
	}
	return true;
}

static bool v2_ok(const unsigned char *data, size_t len, size_t pack_size)
{
	const size_t head = HEAD_LEN + (size_t)4 * FANOUT;
	const unsigned char *offsets, *large;
	size_t n, rest, n_large;

	if (len < head + TRAILER || be32(data + 4) != 2 || !fanout_ok(data + HEAD_LEN))
		return false;
	n = be32(data + head - 4);
	rest = len - head - TRAILER;
	if (n > rest / V2_ENTRY || (rest - n * V2_ENTRY) % 8)
		return false;
	n_large = (rest - n * V2_ENTRY) / 8;
	offsets = data + head + n * (OID_LEN + 4);
	large = offsets + n * 4;
	for (size_t i = 0; i < n; i++) {
		uint64_t off = be32(offsets + 4 * i);

		if (off & 0x80000000u) {
			size_t at = off & 0x7fffffffu;

			if (at >= n_large)
				return false;
			off = (uint64_t)be32(large + 8 * at) << 32 | be32(large + 8 * at + 4);
		}
		if (!offset_ok(off, pack_size))
			return false;
	}
	return true;
}

bool pack_index_ok(const unsigned char *data, size_t len, size_t pack_size)
{
	if (pack_size < PACK_HEAD_LEN + OID_LEN)
		return false;
	if (len >= 4 && !memcmp(data, "\377tOc", 4))
		return v2_ok(data, len, pack_size);
	return v1_ok(data, len, pack_size);
}

/* True when the file is gone, which is not damage: a repack may be at work. */
static bool check_one(int dir_fd, const char *name, size_t name_len)
{
	CLEANUP(close_p) int fd = -1;
	struct stat pack, idx;
	char other[NAME_MAX + 2];
	void *map;
	bool ok;

	(void)snprintf(other, sizeof(other), "%.*s.pack", (int)(name_len - 4), name);
	if (fstatat(dir_fd, other, &pack, 0))
		return true;
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &idx))
		return true;
	if (idx.st_size <= 0)
		return false;
	map = mmap(NULL, (size_t)idx.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return true;
	ok = pack_index_ok(map, (size_t)idx.st_size, (size_t)pack.st_size);
	(void)munmap(map, (size_t)idx.st_size);
	return ok;
}

bool pack_index_check(const char *objects_dir, char *why, size_t why_size)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	CLEANUP(close_p) int fd = open(objects_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int pack_fd = fd < 0 ? -1 : openat(fd, "pack", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;

	if (pack_fd < 0)
		return true;
	dir = fdopendir(pack_fd);
	if (!dir) {
		close(pack_fd);
		return true;
	}
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
	while ((e = readdir(dir))) {
		size_t len = strlen(e->d_name);

		if (len <= 4 || strcmp(e->d_name + len - 4, ".idx") != 0 ||
		    check_one(dirfd(dir), e->d_name, len))
			continue;
		(void)snprintf(why, why_size,
			       "pack/%s is damaged; `git index-pack` makes it anew", e->d_name);
		return false;
	}
	return true;
}
