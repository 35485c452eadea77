/* packed-refs: "<hex> <name>" a line, "^<hex>" below a tag, sorted by name.
 *
 * Git's protocol for changing it: create packed-refs.lock, which must not exist; write
 * packed-refs.new; sync; rename; remove the lock. Ours is the same, and the lock says "fragfs" from
 * its first moment, so that
 * one left by a killed process of ours is known: the caller holds the numbering lock, hence
 * nobody else of us is writing. A lock that is older than the machine's last start is dead too,
 * whoever made it. Any other is respected and explained.
 *
 * The whole file is held in memory twice while it is merged (60 bytes a ref). A file with lines that
 * we do not understand is never rewritten.
 */
#include "store/packed_refs.h"

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
#include "store/git_lock.h"

enum { PROBE_SIZE = 8192 };

#define FILE_LIMIT ((size_t)1 << 30)

static const char lock_name[] = "packed-refs.lock";
static const char new_name[] = "packed-refs.new";
static const char mark_name[] = "fragfs.packed-refs";
static const char our_mark[] = "fragfs\n";

/* One pass over the file's text, which is cut into strings. */
struct parser {
	char *at, *end;
	bool fully_peeled;
	unsigned bad;
};

static char *next_line(struct parser *in)
{
	char *line = in->at, *nl;

	if (line >= in->end)
		return NULL;
	nl = memchr(line, '\n', (size_t)(in->end - line));
	in->at = nl ? nl + 1 : in->end;
	if (nl)
		*nl = '\0';
	return line;
}

static bool parse_ref(char *line, struct packed_ref *ret)
{
	if (strnlen(line, OID_HEX_LEN + 2) < OID_HEX_LEN + 2 || line[OID_HEX_LEN] != ' ' ||
	    !oid_parse(line, OID_HEX_LEN, &ret->oid))
		return false;
	ret->name = line + OID_HEX_LEN + 1;
	ret->peeled = (struct oid){0};
	return true;
}

/* True when there is another ref. */
static bool parser_next(struct parser *in, struct packed_ref *ret)
{
	char *line;

	while ((line = next_line(in))) {
		if (*line == '#') {
			in->fully_peeled |= strstr(line, " fully-peeled") != NULL;
			continue;
		}
		if (!parse_ref(line, ret)) {
			in->bad += *line != '\0';
			continue;
		}
		if (in->at < in->end && *in->at == '^') {
			line = next_line(in);
			if (strlen(line) != 1 + OID_HEX_LEN ||
			    !oid_parse(line + 1, OID_HEX_LEN, &ret->peeled))
				in->bad++;
		}
		return true;
	}
	return false;
}

/* 0, IO_MISSING, or a fault. */
static int slurp(int dir_fd, struct buf *text, struct parser *in)
{
	int r = io_slurp(dir_fd, "packed-refs", text);

	*in = (struct parser){.at = text->data, .end = text->data + text->len};
	return r;
}

static int each(struct parser *in, const char *skip, packed_ref_fn fn, void *arg)
{
	size_t len = skip ? strlen(skip) : 0;
	struct packed_ref ref;
	int r = 0;

	while (!r && parser_next(in, &ref)) {
		if (!skip || strncmp(ref.name, skip, len) != 0)
			r = fn(&ref, arg);
	}
	if (in->bad)
		log_warn("packed-refs: %u lines are no refs, ignoring them", in->bad);
	return r;
}

int packed_refs_each(int dir_fd, packed_ref_fn fn, void *arg)
{
	CLEANUP(buf_deinit) struct buf text;
	struct parser in;
	int r;

	buf_init(&text, FILE_LIMIT);
	r = slurp(dir_fd, &text, &in);
	if (r)
		return r == IO_MISSING ? 0 : r;
	return each(&in, NULL, fn, arg);
}

/* A line of a file that is searched by halving. */
struct probe {
	char text[PROBE_SIZE + 1];
	off_t end;        /* where the line after it starts */
	const char *name; /* NULL when there is no line of a ref */
};

/* Reads the first ref's line that starts at or after `at`. 0 or -errno. */
static int probe_line(int fd, off_t at, struct probe *ret)
{
	/* One byte earlier, to see whether a line starts right here. */
	off_t from = at ? at - 1 : 0;
	ssize_t n = pread(fd, ret->text, PROBE_SIZE, from);
	char *p = ret->text, *nl;

	if (n < 0)
		return -errno;
	ret->text[n] = '\0';
	ret->name = NULL;
	if (at)
		p = strchr(p, '\n') ? strchr(p, '\n') + 1 : p + n;
	while (*p == '#' || *p == '^')
		p = strchr(p, '\n') ? strchr(p, '\n') + 1 : ret->text + n;
	nl = strchr(p, '\n');
	if (!nl || nl - p < OID_HEX_LEN + 2)
		return 0;
	*nl = '\0';
	ret->name = p + OID_HEX_LEN + 1;
	ret->end = from + (nl + 1 - ret->text);
	return 0;
}

/* Where the first line starts whose name is not below `key`, behind what tags before it lead to. */
static int find_bound(int fd, off_t size, const char *key, off_t *ret)
{
	struct probe at;
	off_t lo = 0, hi = size;
	char peel;

	while (lo < hi) {
		off_t mid = lo + (hi - lo) / 2;
		int r = probe_line(fd, mid, &at);

		if (r)
			return r;
		if (at.name && strcmp(at.name, key) < 0)
			lo = at.end;
		else
			hi = mid;
	}
	while (pread(fd, &peel, 1, lo) == 1 && peel == '^')
		lo += 1 + OID_HEX_LEN + 1;
	*ret = lo < size ? lo : size;
	return 0;
}

static int read_part(int fd, off_t from, off_t to, struct buf *text)
{
	size_t len = (size_t)(to - from);
	ssize_t n;
	int r = buf_reserve(text, len);

	if (r)
		return r;
	if (lseek(fd, from, SEEK_SET) < 0)
		return -errno;
	n = io_read_all(fd, text->data + text->len, len);
	if (n < 0)
		return (int)n;
	text->len += (size_t)n;
	text->data[text->len] = '\0';
	return 0;
}

/* Everything but the lines from the first with the prefix to the last. */
static int slurp_around(int fd, const char *skip, struct buf *text)
{
	char past[64];
	struct stat sb;
	off_t from, to;
	int r;

	(void)snprintf(past, sizeof(past), "%s\xff", skip);
	if (fstat(fd, &sb))
		return -errno;
	r = find_bound(fd, sb.st_size, skip, &from);
	if (!r)
		r = find_bound(fd, sb.st_size, past, &to);
	if (!r)
		r = read_part(fd, 0, from, text);
	return r ? r : read_part(fd, to < from ? from : to, sb.st_size, text);
}

static bool is_sorted(int fd)
{
	char head[128];
	ssize_t n = pread(fd, head, sizeof(head) - 1, 0);

	if (n <= 0 || *head != '#')
		return false;
	head[n] = '\0';
	head[strcspn(head, "\n")] = '\0';
	return strstr(head, " sorted") != NULL;
}

int packed_refs_each_but(int dir_fd, const char *skip, packed_ref_fn fn, void *arg)
{
	CLEANUP(buf_deinit) struct buf text;
	CLEANUP(close_p) int fd = -1;
	struct parser in;
	int r;

	buf_init(&text, FILE_LIMIT);
	fd = openat(dir_fd, "packed-refs", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(-errno, "open 'packed-refs'");
	r = is_sorted(fd) ? slurp_around(fd, skip, &text) : io_slurp_fd(fd, &text);
	if (r)
		return fail(r, "read 'packed-refs'");
	in = (struct parser){.at = text.data, .end = text.data + text.len};
	return each(&in, skip, fn, arg);
}

/* Removes a lock whose owner is provably dead. 0 when it is gone. */
static int break_lock(int dir_fd)
{
	CLEANUP(buf_deinit) struct buf text;
	struct stat sb;
	bool ours;

	buf_init(&text, 4096);
	if (fstatat(dir_fd, lock_name, &sb, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : fail(-errno, "look at '%s'", lock_name);
	ours = sb.st_size == (off_t)strlen(our_mark) && !io_slurp(dir_fd, lock_name, &text) &&
	       !strcmp(text.data, our_mark);
	if (ours || git_lock_is_dead(&sb)) {
		log_info("packed-refs: removing '%s', left by a killed process", lock_name);
		(void)unlinkat(dir_fd, lock_name, 0);
		return 0;
	}
	log_err("packed-refs: '%s' is held since %lld s: git is at work, or was killed; if no "
		"git "
		"runs in this project, remove that file",
		lock_name, git_lock_age(&sb));
	return PACKED_REFS_LOCKED;
}

/* A file of ours beside the lock: it becomes the lock by a link, so that a lock of ours has our mark
 * from its first moment, whenever we are killed. */
static int write_mark(int dir_fd)
{
	CLEANUP(close_p)
	int fd = openat(dir_fd, mark_name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r;

	if (fd < 0)
		return fail(-errno, "create '%s'", mark_name);
	r = io_write_all(fd, our_mark, strlen(our_mark));
	return r ? fail(r, "write '%s'", mark_name) : 0;
}

static int take_lock(int dir_fd)
{
	int r = write_mark(dir_fd);

	for (int tries = 0; !r && tries < 2; tries++) {
		if (!linkat(dir_fd, mark_name, dir_fd, lock_name, 0)) {
			(void)unlinkat(dir_fd, mark_name, 0);
			return 0;
		}
		if (errno != EEXIST) {
			r = fail(-errno, "create '%s'", lock_name);
			break;
		}
		r = break_lock(dir_fd);
	}
	(void)unlinkat(dir_fd, mark_name, 0);
	return r ? r : (int)PACKED_REFS_LOCKED;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct packed_ref *)a)->name,
		      ((const struct packed_ref *)b)->name);
}

struct ref_list {
	struct packed_ref *refs;
	size_t n, cap;
};

static void ref_list_deinit(struct ref_list *l)
{
	free(l->refs);
}

static void parse_all(struct parser *in, struct ref_list *l)
{
	struct packed_ref ref;
	bool sorted = true;

	while (parser_next(in, &ref)) {
		alloc_grow(&l->refs, &l->cap, l->n + 1, sizeof(ref));
		l->refs[l->n++] = ref;
		if (l->n > 1 && by_name(&l->refs[l->n - 2], &ref) > 0)
			sorted = false;
	}
	if (!sorted)
		qsort(l->refs, l->n, sizeof(*l->refs), by_name);
}

static int put_ref(struct buf *out, const struct packed_ref *ref)
{
	char hex[OID_HEX_LEN + 2];
	int r;

	oid_hex(&ref->oid, hex);
	hex[OID_HEX_LEN] = ' ';
	r = buf_add(out, hex, OID_HEX_LEN + 1);
	if (!r)
		r = buf_str(out, ref->name);
	if (!r)
		r = buf_add(out, "\n", 1);
	if (r || oid_is_zero(&ref->peeled))
		return r;
	hex[0] = '^';
	oid_hex(&ref->peeled, hex + 1);
	r = buf_add(out, hex, OID_HEX_LEN + 1);
	return r ? r : buf_add(out, "\n", 1);
}

/* Merges two sorted lists; 0, PACKED_REFS_CLASH, or buf's faults. */
static int merge(const struct ref_list *old, const struct packed_ref *add, size_t n_add,
		 struct buf *out)
{
	size_t i = 0, j = 0;
	int r = 0;

	while (!r && (i < old->n || j < n_add)) {
		int c = i == old->n ? 1 : j == n_add ? -1 : by_name(&old->refs[i], &add[j]);

		if (!c && !oid_eq(&old->refs[i].oid, &add[j].oid))
			return PACKED_REFS_CLASH;
		r = put_ref(out, c > 0 ? &add[j] : &old->refs[i]);
		i += c <= 0;
		j += c >= 0;
	}
	return r;
}

static int write_new(int dir_fd, const struct buf *text)
{
	CLEANUP(close_p) int fd = -1;
	int r;

	/* A left-over of a killed writer; the lock is ours. */
	if (unlinkat(dir_fd, new_name, 0) && errno != ENOENT)
		return fail(-errno, "remove '%s'", new_name);
	fd = openat(dir_fd, new_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return fail(-errno, "create '%s'", new_name);
	r = io_write_all(fd, text->data, text->len);
	if (!r && fsync(fd))
		r = -errno;
	if (!r && renameat(dir_fd, new_name, dir_fd, "packed-refs"))
		r = -errno;
	if (r) {
		(void)unlinkat(dir_fd, new_name, 0);
		return fail(r, "write packed-refs");
	}
	return io_sync_dir(dir_fd, ".");
}

static int add_locked(int dir_fd, const struct packed_ref *refs, size_t n)
{
	CLEANUP(buf_deinit) struct buf text;
	CLEANUP(buf_deinit) struct buf out;
	CLEANUP(ref_list_deinit) struct ref_list old = {0};
	struct parser in;
	int r;

	buf_init(&text, FILE_LIMIT);
	buf_init(&out, FILE_LIMIT);
	r = slurp(dir_fd, &text, &in);
	if (r < 0)
		return r;
	in.fully_peeled = r == IO_MISSING;
	parse_all(&in, &old);
	if (in.bad)
		return fail(-EINVAL, "extend packed-refs, which has %u lines that are no refs",
			    in.bad);
	/* Without the word, git looks for itself what each tag leads to. */
	r = buf_str(&out, in.fully_peeled ? "# pack-refs with: peeled fully-peeled sorted \n"
					  : "# pack-refs with: sorted \n");
	if (!r)
		r = merge(&old, refs, n, &out);
	if (r == PACKED_REFS_CLASH)
		return r;
	return r ? fail(r, "merge packed-refs") : write_new(dir_fd, &out);
}

int packed_refs_add(int dir_fd, const struct packed_ref *refs, size_t n)
{
	int r = take_lock(dir_fd);

	if (r)
		return r;
	r = add_locked(dir_fd, refs, n);
	if (unlinkat(dir_fd, lock_name, 0) && !r)
		r = fail(-errno, "remove '%s'", lock_name);
	return r;
}
