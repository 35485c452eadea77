/* Reading loose objects in libgit2's place.
 *
 * libgit2 reads a loose object that ends too early for ever: its stream reports that it wants
 * more input, there is none, and it asks again. A power cut leaves just such files. This
 * backend reads them itself, exactly as many bytes as the header says and not one turn more, and
 * leaves writing and searching to libgit2's. zlib's own checksum is required at the end, so damage is
 * told from content without hashing.
 *
 * No compressed byte yields more than DEFLATE_RATIO bytes, so a header that claims more than the file can hold is
 * refused before any memory is taken.
 */
#include "store/loose.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <git2/sys/odb_backend.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "store/pack_index.h"

enum {
	PACK_PRIORITY = 2,
	LOOSE_PRIORITY = 1,
	HEAD_MAX = 64, /* "commit ", a size, and a NUL are far shorter */
	DEFLATE_RATIO = 1032,
	SIZE_DIGITS_MAX = 15,
	CHUNK = 1 << 30,
};

struct loose {
	git_odb_backend parent;
	git_odb_backend *inner; /* libgit2's, for what it does well */
	int dir_fd;
};

/* One object being read. */
struct stream {
	void *map;
	size_t map_len;
	z_stream z;
	unsigned char head[HEAD_MAX];
	size_t head_len,
		body_at; /* what was inflated first, and where the content starts in it */
	git_object_t type;
	size_t size;
};

static int damaged(const char *why)
{
	git_error_set_str(GIT_ERROR_ODB, why);
	return GIT_ERROR;
}

static int map_file(const struct loose *l, const git_oid *id, struct stream *s)
{
	struct oid oid = oid_from_git(id);
	char hex[OID_HEX_LEN + 1], path[OID_HEX_LEN + 2];
	CLEANUP(close_p) int fd = -1;
	struct stat st;

	oid_hex(&oid, hex);
	(void)snprintf(path, sizeof(path), "%.2s/%s", hex, hex + 2);
	fd = openat(l->dir_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return GIT_ENOTFOUND;
	if (fd < 0 || fstat(fd, &st))
		return damaged("a loose object cannot be opened");
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return damaged("a loose object is empty");
	s->map_len = (size_t)st.st_size;
	s->map = mmap(NULL, s->map_len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (s->map != MAP_FAILED)
		return 0;
	s->map = NULL;
	return damaged("a loose object cannot be mapped");
}

static bool parse_head(struct stream *s)
{
	const unsigned char *nul = memchr(s->head, '\0', s->head_len);
	const char *p = (const char *)s->head, *space;
	size_t size = 0;

	space = nul ? memchr(p, ' ', (size_t)((const char *)nul - p)) : NULL;
	if (!space || space[1] == '\0' || (const char *)nul - space > SIZE_DIGITS_MAX)
		return false;
	for (const char *d = space + 1; *d; d++) {
		if (*d < '0' || *d > '9')
			return false;
		size = size * 10 + (size_t)(*d - '0');
	}
	s->type = GIT_OBJECT_INVALID;
	for (int t = GIT_OBJECT_COMMIT; t <= GIT_OBJECT_TAG; t++) {
		const char *name = git_object_type2string((git_object_t)t);

		if (strlen(name) == (size_t)(space - p) && !memcmp(name, p, strlen(name)))
			s->type = (git_object_t)t;
	}
	s->size = size;
	s->body_at = (size_t)(nul + 1 - s->head);
	return s->type != GIT_OBJECT_INVALID && size / DEFLATE_RATIO <= s->map_len;
}

/* Feeds the stream as far as it takes it. The state zlib ends in; Z_BUF_ERROR without progress. */
static int pump(struct stream *s, unsigned char *out, size_t len, size_t *got)
{
	const unsigned char *end = (const unsigned char *)s->map + s->map_len;
	int state = Z_OK;

	*got = 0;
	while (state == Z_OK) {
		size_t in = (size_t)(end - s->z.next_in), room = len - *got;

		s->z.avail_in = in > CHUNK ? (uInt)CHUNK : (uInt)in;
		s->z.avail_out = room > CHUNK ? (uInt)CHUNK : (uInt)room;
		s->z.next_out = out + *got;
		state = inflate(&s->z, Z_NO_FLUSH);
		*got = (size_t)(s->z.next_out - out);
		if (state == Z_OK && *got == len)
			break;
	}
	return state;
}

static void stream_done(struct stream *s)
{
	if (!s->map)
		return;
	(void)inflateEnd(&s->z);
	(void)munmap(s->map, s->map_len);
}

static int stream_open(const struct loose *l, const git_oid *id, struct stream *s)
{
	int r = map_file(l, id, s), state;

	if (r)
		return r;
	s->z.next_in = s->map;
	if (inflateInit(&s->z) != Z_OK) {
		(void)munmap(s->map, s->map_len);
		s->map = NULL;
		return damaged("zlib cannot be started");
	}
	state = pump(s, s->head, sizeof(s->head), &s->head_len);
	if ((state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) || !parse_head(s))
		return damaged("a loose object has no header");
	return 0;
}

static int read_body(struct stream *s, unsigned char *out)
{
	size_t have = s->head_len - s->body_at, got = 0, tail;
	unsigned char beyond;

	if (have > s->size)
		return damaged("a loose object is longer than its header says");
	memcpy(out, s->head + s->body_at, have);
	if (have < s->size)
		(void)pump(s, out + have, s->size - have, &got);
	if (have + got != s->size)
		return damaged("a loose object ends too early");
	out[s->size] = '\0';
	/* A whole stream has nothing left but its checksum. */
	if (pump(s, &beyond, 1, &tail) != Z_STREAM_END || tail)
		return damaged("a loose object is not what its checksum says");
	return 0;
}

static int loose_read(void **data, size_t *len, git_object_t *type, git_odb_backend *backend,
		      const git_oid *id)
{
	const struct loose *l = (const struct loose *)backend;
	CLEANUP(stream_done) struct stream s = {.map = NULL};
	unsigned char *out;
	int r = stream_open(l, id, &s);

	if (r)
		return r;
	out = git_odb_backend_data_alloc(backend, s.size + 1);
	if (!out)
		return GIT_ERROR;
	r = read_body(&s, out);
	if (r) {
		git_odb_backend_data_free(backend, out);
		return r;
	}
	*data = out;
	*len = s.size;
	*type = s.type;
	return 0;
}

static int loose_read_header(size_t *len, git_object_t *type, git_odb_backend *backend,
			     const git_oid *id)
{
	const struct loose *l = (const struct loose *)backend;
	CLEANUP(stream_done) struct stream s = {.map = NULL};
	int r = stream_open(l, id, &s);

	if (r)
		return r;
	*len = s.size;
	*type = s.type;
	return 0;
}

static git_odb_backend *inner_of(git_odb_backend *backend)
{
	return ((struct loose *)backend)->inner;
}

static int loose_exists(git_odb_backend *backend, const git_oid *id)
{
	return inner_of(backend)->exists(inner_of(backend), id);
}

static int loose_exists_prefix(git_oid *full, git_odb_backend *backend, const git_oid *start,
			       size_t len)
{
	return inner_of(backend)->exists_prefix(full, inner_of(backend), start, len);
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are libgit2's */
static int loose_read_prefix(git_oid *full, void **data, size_t *len, git_object_t *type,
			     git_odb_backend *backend, const git_oid *start, size_t start_len)
{
	int r = loose_exists_prefix(full, backend, start, start_len);

	return r ? r : loose_read(data, len, type, backend, full);
}

static int loose_write(git_odb_backend *backend, const git_oid *id, const void *data,
		       size_t len, git_object_t type)
{
	return inner_of(backend)->write(inner_of(backend), id, data, len, type);
}

static int loose_freshen(git_odb_backend *backend, const git_oid *id)
{
	return inner_of(backend)->freshen(inner_of(backend), id);
}

static int loose_foreach(git_odb_backend *backend, git_odb_foreach_cb fn, void *arg)
{
	return inner_of(backend)->foreach (inner_of(backend), fn, arg);
}

static void loose_free(git_odb_backend *backend)
{
	struct loose *l = (struct loose *)backend;

	if (l->inner)
		l->inner->free(l->inner);
	close_p(&l->dir_fd);
	free(l);
}

static int loose_backend_new(const char *objects_dir, git_odb_backend **ret)
{
	struct loose *l = alloc_zero(sizeof(*l));
	int r = git_odb_init_backend(&l->parent, GIT_ODB_BACKEND_VERSION);

	l->dir_fd = open(objects_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!r && l->dir_fd < 0) {
		git_error_set_str(GIT_ERROR_OS, "the objects directory cannot be opened");
		r = GIT_ENOTFOUND;
	}
	if (!r)
		r = git_odb_backend_loose(&l->inner, objects_dir, -1, 1, 0, 0);
	if (r) {
		loose_free(&l->parent);
		return r;
	}
	l->parent.read = loose_read;
	l->parent.read_header = loose_read_header;
	l->parent.read_prefix = loose_read_prefix;
	l->parent.exists = loose_exists;
	l->parent.exists_prefix = loose_exists_prefix;
	l->parent.write = loose_write;
	l->parent.freshen = loose_freshen;
	l->parent.foreach = loose_foreach;
	l->parent.free = loose_free;
	*ret = &l->parent;
	return 0;
}

static int add(git_odb *odb, git_odb_backend *backend, int priority)
{
	int r = git_odb_add_backend(odb, backend, priority);

	if (r)
		backend->free(backend);
	return r;
}

int loose_odb_open(const char *objects_dir, git_odb **ret)
{
	CLEANUP(git_odb_freep) git_odb *odb = NULL;
	git_odb_backend *backend = NULL;
	char why[NAME_MAX + 64];
	int r;

	if (!pack_index_check(objects_dir, why, sizeof(why)))
		return damaged(why);
	r = git_odb_new(&odb);
	if (!r)
		r = git_odb_backend_pack(&backend, objects_dir);
	if (!r)
		r = add(odb, backend, PACK_PRIORITY);
	if (!r)
		r = loose_backend_new(objects_dir, &backend);
	if (!r)
		r = add(odb, backend, LOOSE_PRIORITY);
	if (!r)
		*ret = TAKE(odb);
	return r;
}
