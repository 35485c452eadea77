/* Refs read from files, and written as one.
 *
 * Loose refs hide packed ones of the same name, as in git. What does not parse is passed over and said:
 * one bad ref must not keep a repository out.
 *
 * refs/imported/<rest> remembers where the source had refs/<rest> at the last import. It is the base by
 * which a later import tells who moved a branch: we, the source, or both.
 */
#include "store/import_git_refs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/utf8.h"

enum { PACKED_MAX = 1 << 30, LOOSE_MAX = 4096, NAME_MAX_LEN = 1000, DEPTH_MAX = 32 };

void import_git_refs_init(struct import_git_refs *r)
{
	*r = (struct import_git_refs){0};
}

void import_git_refs_deinit(struct import_git_refs *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->refs[i].name);
		free(r->refs[i].target);
	}
	free(r->refs);
	free(r->head);
	import_git_refs_init(r);
}

static bool component_ok(const char *s, size_t len)
{
	return len && *s != '.' && !(len >= 5 && !memcmp(s + len - 5, ".lock", 5)) &&
	       len <= 255;
}

bool import_git_refs_name_ok(const char *name)
{
	size_t len = strlen(name);
	const char *p = name, *end;

	if (strncmp(name, "refs/", 5) != 0 || len > NAME_MAX_LEN || name[len - 1] == '.' ||
	    strstr(name, "..") || strstr(name, "@{"))
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)name[i] <= 0x20 || strchr("\x7f~^:?*[\\", name[i]))
			return false;
	}
	while ((end = strchr(p, '/'))) {
		if (!component_ok(p, (size_t)(end - p)))
			return false;
		p = end + 1;
	}
	return component_ok(p, strlen(p));
}

static bool is_wanted(const char *name)
{
	static const char *const ours[] = {"refs/fragments/", "refs/imported/",
					   "refs/bisect/",    "refs/worktree/",
					   "refs/rewritten/", "refs/prefetch/"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		if (!strncmp(name, ours[i], strlen(ours[i])))
			return false;
	}
	return true;
}

void import_git_refs_add(struct import_git_refs *r, const char *name, const struct oid *oid,
			 const char *target)
{
	static const struct oid zero;

	if (!is_wanted(name))
		return;
	if (!import_git_refs_name_ok(name) || (target && !import_git_refs_name_ok(target)) ||
	    (!target && oid_is_zero(oid))) {
		log_warn("import: the source's ref '%s' is malformed, ignoring", name);
		return;
	}
	alloc_grow(&r->refs, &r->cap, r->n + 1, sizeof(*r->refs));
	r->refs[r->n++] = (struct import_git_ref){
		.name = alloc_str(name), .oid = oid ? *oid : zero, .target = alloc_str(target)};
}

/* Keeps the order in which they were added among equal names: merge by hand after a stable sort
 * would cost more than remembering the place. */
struct placed {
	struct import_git_ref ref;
	size_t at;
};

static int by_name(const void *pa, const void *pb)
{
	const struct placed *a = pa, *b = pb;
	int c = strcmp(a->ref.name, b->ref.name);

	return c ? c : a->at < b->at ? -1 : 1;
}

void import_git_refs_sort(struct import_git_refs *r)
{
	CLEANUP(free_p) struct placed *all = alloc_array(r->n + 1, sizeof(*all));
	size_t n = r->n;

	for (size_t i = 0; i < n; i++)
		all[i] = (struct placed){r->refs[i], i};
	qsort(all, n, sizeof(*all), by_name);
	r->n = 0;
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && !strcmp(all[i].ref.name, all[i + 1].ref.name)) {
			free(all[i].ref.name);
			free(all[i].ref.target);
			continue;
		}
		r->refs[r->n++] = all[i].ref;
	}
}

const struct import_git_ref *import_git_refs_find(const struct import_git_refs *r,
						  const char *name)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(r->refs[mid].name, name);

		if (!c)
			return &r->refs[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

void import_git_refs_parse_packed(struct import_git_refs *r, const char *text, size_t len)
{
	const char *end = text + len, *nl;
	char name[NAME_MAX_LEN + 1];
	struct oid oid;

	for (; text < end; text = nl + 1) {
		size_t n;

		nl = memchr(text, '\n', (size_t)(end - text));
		nl = nl ? nl : end;
		n = (size_t)(nl - text);
		if (!n || *text == '#' || *text == '^')
			continue;
		if (n <= OID_HEX_LEN + 1 || n - OID_HEX_LEN - 1 >= sizeof(name) ||
		    text[OID_HEX_LEN] != ' ' || !oid_parse(text, OID_HEX_LEN, &oid) ||
		    memchr(text, '\0', n)) {
			log_warn("import: a line of the source's packed-refs is malformed, "
				 "ignoring");
			continue;
		}
		n -= OID_HEX_LEN + 1;
		memcpy(name, text + OID_HEX_LEN + 1, n);
		name[n] = '\0';
		import_git_refs_add(r, name, &oid, NULL);
	}
}

/* What a loose ref or HEAD says: an id into `oid`, or the returned name of another ref. */
static char *parse_loose(struct buf *b, struct oid *oid)
{
	while (b->len && strchr(" \t\r\n", b->data[b->len - 1]))
		b->data[--b->len] = '\0';
	if (!strncmp(b->data, "ref:", 4))
		return alloc_str(b->data + 4 + strspn(b->data + 4, " \t"));
	(void)oid_parse(b->data, b->len, oid);
	return NULL;
}

static void read_loose(struct import_git_refs *r, int dir, const char *file, const char *name)
{
	CLEANUP(buf_deinit) struct buf b;
	CLEANUP(free_p) char *target = NULL;
	struct oid oid = {{0}};

	buf_init(&b, LOOSE_MAX);
	if (io_slurp(dir, file, &b)) {
		log_warn("import: the source's ref '%s' cannot be read, ignoring", name);
		return;
	}
	target = parse_loose(&b, &oid);
	import_git_refs_add(r, name, target ? NULL : &oid, target);
}

static int read_dir(struct import_git_refs *r, int parent, const char *path, const char *prefix,
		    int depth)
{
	CLEANUP(closedirp) DIR *d = NULL;
	CLEANUP(close_p)
	int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;
	int r2 = 0;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d)
		return fail(-errno, "read the source's '%s'", prefix);
	fd = -1;
	while (!r2 && (e = readdir(d))) {
		CLEANUP(free_p) char *name = alloc_fmt("%s/%s", prefix, e->d_name);
		struct stat st;
		size_t len = strlen(e->d_name);

		if (*e->d_name == '.' || (len > 5 && !strcmp(e->d_name + len - 5, ".lock")) ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX &&
		    strcmp(name, "refs/fragments") != 0)
			r2 = read_dir(r, dirfd(d), e->d_name, name, depth + 1);
		else if (S_ISREG(st.st_mode))
			read_loose(r, dirfd(d), e->d_name, name);
	}
	return r2;
}

static void read_head(struct import_git_refs *r, int fd)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, LOOSE_MAX);
	if (faccessat(fd, "HEAD", F_OK, AT_SYMLINK_NOFOLLOW) || io_slurp(fd, "HEAD", &b))
		return;
	r->head = parse_loose(&b, &r->head_oid);
	if (r->head &&
	    (strncmp(r->head, "refs/heads/", 11) != 0 || !import_git_refs_name_ok(r->head)))
		free(TAKE(r->head));
}

int import_git_refs_read(int git_fd, int common_fd, struct import_git_refs *ret)
{
	CLEANUP(buf_deinit) struct buf b;
	int r;

	buf_init(&b, PACKED_MAX);
	if (!faccessat(common_fd, "packed-refs", F_OK, 0)) {
		r = io_slurp(common_fd, "packed-refs", &b);
		if (r < 0)
			return r;
		import_git_refs_parse_packed(ret, b.data, b.len);
	}
	r = read_dir(ret, common_fd, "refs", "refs", 0);
	if (r)
		return r;
	import_git_refs_sort(ret);
	read_head(ret, git_fd);
	return 0;
}

static int add_line(struct buf *b, const char *prefix, const struct import_git_ref *ref)
{
	char hex[OID_HEX_LEN + 1];

	if (ref->target || ref->broken)
		return 0;
	return buf_fmt(b, "%s %s%s\n", oid_hex(&ref->oid, hex), prefix, ref->name + 5);
}

/* Both name spaces in one sorted file: refs/imported/ lies between what is below and above it. */
static int packed_text(const struct import_git_refs *r, bool remember, struct buf *b)
{
	int err = buf_str(b, "# pack-refs with: sorted \n");
	size_t i = 0;

	for (; !err && i < r->n && strcmp(r->refs[i].name, "refs/imported/") < 0; i++)
		err = add_line(b, "refs/", &r->refs[i]);
	for (size_t k = 0; !err && remember && k < r->n; k++)
		err = add_line(b, "refs/imported/", &r->refs[k]);
	for (; !err && i < r->n; i++)
		err = add_line(b, "refs/", &r->refs[i]);
	return err;
}

static int write_symbolic(const struct import_git_ref *ref, int fd)
{
	CLEANUP(free_p) char *text = alloc_fmt("ref: %s\n", ref->target);
	CLEANUP(free_p) char *dir = alloc_str(ref->name);
	int r;

	*strrchr(dir, '/') = '\0';
	r = io_mkdirs(fd, dir, 0755);
	if (r)
		return r;
	return io_replace(fd, ref->name, text, strlen(text), 0644);
}

static int write_head(const struct import_git_refs *r, int fd)
{
	CLEANUP(free_p) char *text = NULL;
	char hex[OID_HEX_LEN + 1];

	if (r->head)
		text = alloc_fmt("ref: %s\n", r->head);
	else if (!oid_is_zero(&r->head_oid))
		text = alloc_fmt("%s\n", oid_hex(&r->head_oid, hex));
	return text ? io_replace(fd, "HEAD", text, strlen(text), 0644) : 0;
}

/* Empties refs/, which stays: a repository without it is none. */
static int clear_loose(int fd)
{
	CLEANUP(closedirp) DIR *d = NULL;
	CLEANUP(close_p)
	int own = openat(fd, "refs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;
	int r = 0;

	d = own >= 0 ? fdopendir(own) : NULL;
	if (!d)
		return fail(-errno, "read the staged refs");
	own = -1;
	while (!r && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = io_remove_tree(dirfd(d), e->d_name);
	}
	return r;
}

int import_git_refs_write(const struct import_git_refs *r, int fd, bool remember)
{
	static const char *const dirs[] = {"refs/heads", "refs/tags", "refs/remotes",
					   "refs/fragments"};
	CLEANUP(buf_deinit) struct buf b;
	int err;

	buf_init(&b, PACKED_MAX);
	err = packed_text(r, remember, &b);
	if (err)
		return fail(err, "list the refs");
	/* What git fetched stands in refs/ as files, too; the one list, once there, replaces them. */
	err = io_replace(fd, "packed-refs", b.data, b.len, 0644);
	if (!err)
		err = clear_loose(fd);
	for (size_t i = 0; !err && i < sizeof(dirs) / sizeof(*dirs); i++)
		err = io_mkdirs(fd, dirs[i], 0755);
	for (size_t i = 0; !err && i < r->n; i++) {
		if (r->refs[i].target)
			err = write_symbolic(&r->refs[i], fd);
	}
	return err ? err : write_head(r, fd);
}
