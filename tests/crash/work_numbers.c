/* Long histories numbered at once: packed-refs written by us, then the index in one transaction.
 *
 * Each round lets git add a run of commits, more than are given loose refs, and has them numbered; what is
 * acknowledged is the number of the last one, and that fsck finds nothing.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/proc.h"
#include "store/fragment.h"
#include "store/git_child.h"
#include "store/project.h"
#include "store/ref.h"
#include "store/refresh.h"
#include "store/store.h"
#include "tests/crash/acks.h"
#include "tests/crash/probe_store.h"

enum { RUN = 70, STREAM_MAX = 64 << 10 };

/* RUN empty commits on top of main, as git fast-import reads them. */
static int stream(bool first, int round, int *ret)
{
	CLEANUP(close_p) int fd = memfd_create("stream", MFD_CLOEXEC);
	CLEANUP(buf_deinit) struct buf b;
	int r = fd < 0 ? -1 : 0;

	buf_init(&b, STREAM_MAX);
	for (int i = 0; i < RUN && !r; i++)
		r = buf_fmt(&b,
			    "commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\n"
			    "data 3\none\n%s",
			    1700000000 + round * RUN + i,
			    i || first ? "" : "from refs/heads/main^0\n");
	if (!r)
		r = io_write_all(fd, b.data, b.len);
	if (!r && lseek(fd, 0, SEEK_SET))
		r = -1;
	if (!r)
		*ret = TAKE_FD(fd);
	return r;
}

static int add_run(struct project *p, int round, struct oid *ret)
{
	static const char *const args[] = {"fast-import", "--quiet", NULL};
	CLEANUP(close_p) int fd = -1;
	int r = ref_read(p, "refs/heads/main", ret);
	pid_t pid;

	if (r < 0)
		return r;
	r = stream(r == REF_MISSING, round, &fd);
	if (!r)
		r = git_child_start(project_dir_fd(p), args, fd, -1, &pid);
	if (!r)
		r = proc_wait(pid);
	return r ? r : ref_read(p, "refs/heads/main", ret);
}

static int number(struct project *p, const struct oid *tip, struct acks *a)
{
	char hex[OID_HEX_LEN + 1], key[128], value[16];
	struct refresh_result seen;
	struct fragment f;
	int r = refresh_project(p, NULL, NULL, &seen);

	if (!r)
		r = fragment_by_commit(p, tip, &f);
	if (r)
		return r;
	(void)snprintf(key, sizeof(key), "seq:app:%s", oid_hex(tip, hex));
	(void)snprintf(value, sizeof(value), "%u", f.seq);
	acks_begin(a, key, value);
	acks_done(a, key, value);
	return 0;
}

static int work(const char *dir, struct acks *a, int rounds)
{
	struct project *p = NULL;
	struct store *st = NULL;
	int r = store_init(dir);

	if (!r)
		r = store_open(dir, &st);
	if (!r)
		r = project_create(st, "app", &p);
	if (r == PROJECT_EXISTS)
		r = project_open(st, "app", &p);
	if (!r) {
		acks_begin(a, "fsck:app", "clean");
		acks_done(a, "fsck:app", "clean");
	}
	for (int i = 0; i < rounds && !r; i++) {
		struct oid tip;

		r = add_run(p, i, &tip);
		if (!r)
			r = number(p, &tip, a);
	}
	project_unref(p);
	store_close(st);
	return r;
}

const struct workload workload_numbers = {"numbers", work, probe_store_open, probe_store,
					  probe_store_close};
