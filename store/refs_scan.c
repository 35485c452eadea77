/* Loose refs override packed ones; symbolic refs add nothing, since what they point at is a ref too.
 *
 * A HEAD of a work tree counts when it is detached. The exception is a HEAD that points outside refs/heads, refs/tags and refs/remotes: its
 * target is looked up among everything that was read. Names come from the disk and are only
 * compared; a name that git would refuse is harmless here.
 */
#include "store/refs_scan.h"

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
#include "store/packed_refs.h"
#include "store/worktree_git.h"

enum { DEPTH_MAX = 64, NAME_MAX_LEN = 4096, LOOSE_MAX = 4096, ATTEMPTS = 16 };

static const char fragments_prefix[] = "refs/fragments/";
/* What a detached HEAD of a work tree is taken down as; no ref has such a name. */
static const char worktree_prefix[] = "worktrees/";

struct named {
	char *name;
	struct oid oid;
	unsigned order; /* the last one of a name counts */
};

struct scan {
	struct named *named;
	size_t n_named, named_cap;
	struct refs_seq *seqs;
	size_t n_seqs, seqs_cap;
	char head_target[256]; /* "" when HEAD is detached or broken */
	bool fragments;        /* whether refs/fragments/ is wanted */
};

static void scan_deinit(struct scan *s)
{
	for (size_t i = 0; i < s->n_named; i++)
		free(s->named[i].name);
	free(s->named);
	free(s->seqs);
}

uint32_t refs_seq_of_name(const char *name)
{
	const char *p = name + sizeof(fragments_prefix) - 1;
	uint64_t v = 0;

	if (strncmp(name, fragments_prefix, sizeof(fragments_prefix) - 1) != 0 || *p < '1')
		return 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > UINT32_MAX)
			return 0;
	}
	return *p ? 0 : (uint32_t)v;
}

static void add(struct scan *s, const char *name, const struct oid *oid)
{
	uint32_t seq = refs_seq_of_name(name);

	if (seq) {
		alloc_grow(&s->seqs, &s->seqs_cap, s->n_seqs + 1, sizeof(*s->seqs));
		s->seqs[s->n_seqs++] = (struct refs_seq){.seq = seq, .commit = *oid};
		return;
	}
	alloc_grow(&s->named, &s->named_cap, s->n_named + 1, sizeof(*s->named));
	s->named[s->n_named] = (struct named){
		.name = alloc_str(name), .oid = *oid, .order = (unsigned)s->n_named};
	s->n_named++;
}

static int add_packed(const struct packed_ref *ref, void *arg)
{
	/* What a tag was peeled to saves reading it; commits are all that is wanted. */
	add(arg, ref->name, oid_is_zero(&ref->peeled) ? &ref->oid : &ref->peeled);
	return 0;
}

/* Reads a loose ref; the target of a symbolic one goes into `target` unless that is NULL. */
static void add_loose(struct scan *s, int dir, const char *file, const char *name, char *target)
{
	char text[LOOSE_MAX];
	struct oid oid;
	ssize_t n;
	CLEANUP(close_p) int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	n = io_read_all(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	if (!strncmp(text, "ref:", 4)) {
		const char *to = text + 4 + strspn(text + 4, " \t");

		if (target && strlen(to) < 256)
			(void)snprintf(target, 256, "%s", to);
		return;
	}
	if (strlen(text) >= OID_HEX_LEN && oid_parse(text, OID_HEX_LEN, &oid))
		add(s, name, &oid);
	else
		log_warn("refs: '%s' holds no object id, ignoring it", name);
}

static bool is_lock(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && !strcmp(name + len - 5, ".lock");
}

/* `name` is the ref's name so far, extended and cut again. */
static int walk(struct scan *s, int at, const char *file, char *name, int depth)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	int fd = openat(at, file, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	size_t len = strlen(name);
	const struct dirent *e;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return fail(-errno, "open '%s' of a project", name);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return fail(-ENOMEM, "read '%s' of a project", name);
	}
	while ((e = readdir(dir))) {
		struct stat sb;
		int r = 0;

		if (*e->d_name == '.' || is_lock(e->d_name) || depth >= DEPTH_MAX ||
		    len + 1 + strlen(e->d_name) >= NAME_MAX_LEN)
			continue;
		(void)snprintf(name + len, NAME_MAX_LEN - len, "/%s", e->d_name);
		/* What keeps snapshots alive names no fragment (store/oplog.h). */
		if ((!s->fragments && !strcmp(name, "refs/fragments")) ||
		    !strcmp(name, "refs/fragfs")) {
			name[len] = '\0';
			continue;
		}
		if (!fstatat(fd, e->d_name, &sb, AT_SYMLINK_NOFOLLOW)) {
			if (S_ISDIR(sb.st_mode))
				r = walk(s, fd, e->d_name, name, depth + 1);
			else if (S_ISREG(sb.st_mode))
				add_loose(s, fd, e->d_name, name, NULL);
		}
		name[len] = '\0';
		if (r)
			return r;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : (x->order > y->order) - (x->order < y->order);
}

static int by_seq(const void *a, const void *b)
{
	const struct refs_seq *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

static bool is_tip(const struct scan *s, const char *name)
{
	static const char *const prefixes[] = {"refs/heads/", "refs/tags/", "refs/remotes/"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	}
	return !strcmp(name, "HEAD") || !strcmp(name, s->head_target) ||
	       !strncmp(name, worktree_prefix, strlen(worktree_prefix));
}

static void settle_tips(struct scan *s, struct refs_scan *ret)
{
	if (s->n_named)
		qsort(s->named, s->n_named, sizeof(*s->named), by_name);
	ret->tips = alloc_array(s->n_named, sizeof(*ret->tips));
	for (size_t i = 0; i < s->n_named; i++) {
		bool overridden =
			i + 1 < s->n_named && !strcmp(s->named[i].name, s->named[i + 1].name);

		if (!overridden && is_tip(s, s->named[i].name))
			ret->tips[ret->n_tips++] = s->named[i].oid;
	}
}

/* `n_packed` of the numbers came from packed-refs; loose ones replace them. */
static void settle_seqs(struct scan *s, size_t n_packed, struct refs_scan *ret)
{
	struct refs_seq *loose = s->seqs + n_packed, *out;
	size_t n_loose = s->n_seqs - n_packed, i = 0, j = 0;

	if (n_packed)
		qsort(s->seqs, n_packed, sizeof(*s->seqs), by_seq);
	if (n_loose)
		qsort(loose, n_loose, sizeof(*loose), by_seq);
	out = ret->fragments = alloc_array(s->n_seqs, sizeof(*out));
	while (i < n_packed || j < n_loose) {
		int c = i == n_packed ? 1 : j == n_loose ? -1 : by_seq(&s->seqs[i], &loose[j]);

		out[ret->n_fragments++] = c < 0 ? s->seqs[i] : loose[j];
		i += c <= 0;
		j += c >= 0;
	}
}

struct heads {
	struct scan *scan;
	int dir_fd;
};

static int add_worktree(const char *worktree, void *arg)
{
	struct heads *h = arg;
	CLEANUP(free_p) char *name = alloc_fmt("%s%s/HEAD", worktree_prefix, worktree);

	add_loose(h->scan, h->dir_fd, name, name, NULL);
	return 0;
}

static int read_all(int dir_fd, struct scan *s, size_t *n_packed)
{
	char name[NAME_MAX_LEN] = "refs";
	int r = s->fragments ? packed_refs_each(dir_fd, add_packed, s)
			     : packed_refs_each_but(dir_fd, fragments_prefix, add_packed, s);

	if (r)
		return r;
	*n_packed = s->n_seqs;
	add_loose(s, dir_fd, "HEAD", "HEAD", s->head_target);
	r = worktree_git_each(dir_fd, add_worktree, &(struct heads){s, dir_fd});
	if (r)
		return r;
	return walk(s, dir_fd, "refs", name, 0);
}

/* Another file under the name, or none. */
static bool packed_changed(int dir_fd, const struct stat *before)
{
	struct stat now = {0};

	(void)fstatat(dir_fd, "packed-refs", &now, AT_SYMLINK_NOFOLLOW);
	return now.st_ino != before->st_ino || now.st_size != before->st_size ||
	       now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

int refs_scan_read(int dir_fd, bool fragments, struct refs_scan *ret)
{
	struct refs_scan done = {0};

	/* Packed ones first, then loose ones: a ref that is packed in between is in neither, so the
	 * scan is only good when packed-refs stayed the same. */
	for (int tries = 0; tries < ATTEMPTS; tries++) {
		CLEANUP(scan_deinit) struct scan s = {.fragments = fragments};
		struct stat packed = {0};
		size_t n_packed;
		int r;

		(void)fstatat(dir_fd, "packed-refs", &packed, AT_SYMLINK_NOFOLLOW);
		r = read_all(dir_fd, &s, &n_packed);
		if (r)
			return r;
		if (packed_changed(dir_fd, &packed))
			continue;
		settle_tips(&s, &done);
		settle_seqs(&s, n_packed, &done);
		*ret = done;
		return 0;
	}
	return fail(-EAGAIN, "read the refs of a project, which are packed again and again");
}

void refs_scan_deinit(struct refs_scan *s)
{
	free(s->tips);
	free(s->fragments);
	*s = (struct refs_scan){0};
}
