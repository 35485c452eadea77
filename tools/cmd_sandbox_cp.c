/* frag sandbox cp: one file in or out, of any size.
 *
 * The sandbox's side is written `:path`; a path there without a leading slash is below the project's folder. "-" is our
 * standard input or output. A file that arrives here is written beside its name and renamed when it is whole.
 */
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
#include "base/io.h"
#include "store/project.h"
#include "tools/sandbox.h"
#include "tools/verbs.h"

enum { PWD_MAX = 4096 };

/* provider_run() owns the call: callbacks find their descriptor here. */
struct copy {
	struct sandbox s;
	struct provider_file file;
	struct provider_sink sink;
	struct provider_exec exec;
	char *path;
};

static int pipe_fd;
static struct buf *printed;

static ssize_t read_here(struct provider_call *c, void *data, size_t cap)
{
	ssize_t n;

	do
		n = read(pipe_fd, data, cap);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int write_here(struct provider_call *c, const void *data, size_t len)
{
	return io_write_all(pipe_fd, data, len);
}

static int start_put(struct provider *p, void *arg, struct provider_call *c)
{
	struct copy *x = arg;

	return provider_put(p, x->s.record.id, &x->file, c);
}

static int start_fetch(struct provider *p, void *arg, struct provider_call *c)
{
	struct copy *x = arg;

	return provider_fetch(p, x->s.record.id, &x->sink, c);
}

static int start_exec(struct provider *p, void *arg, struct provider_call *c)
{
	struct copy *x = arg;

	return provider_exec(p, x->s.record.id, &x->exec, c);
}

static void keep(struct provider_call *c, int fd, const void *data, size_t len)
{
	if (fd == 1)
		(void)buf_add(printed, data, len);
}

/* `path` as it is inside, absolute. 0 or an exit status. */
static int absolute(struct copy *x, const char *path)
{
	static const char *const argv[] = {"pwd", NULL};
	CLEANUP(buf_deinit) struct buf out = {0};
	int r;

	if (*path == '/') {
		x->path = alloc_str(path);
		return CLI_DONE;
	}
	buf_init(&out, PWD_MAX);
	printed = &out;
	x->exec = (struct provider_exec){.argv = argv, .on_output = keep};
	r = provider_run(x->s.provider, start_exec, x, 30000, x->s.why);
	if (r || x->exec.status || out.len < 2)
		return sandbox_refuse(&x->s, r ? r : PROVIDER_REFUSED,
				      "find the project's folder");
	x->path = alloc_fmt("%.*s/%s", (int)(out.len - 1), out.data, path);
	return CLI_DONE;
}

static int copy_in(struct copy *x, const char *from)
{
	bool is_pipe = !strcmp(from, "-");
	CLEANUP(close_p) int fd = is_pipe ? -1 : open(from, O_RDONLY | O_CLOEXEC);
	struct stat st = {.st_mode = 0644};
	int r;

	if (!is_pipe && (fd < 0 || fstat(fd, &st)))
		return cli_refuse(NULL, "cannot read '%s': %s", from, strerrordesc_np(errno));
	if (S_ISDIR(st.st_mode))
		return cli_refuse("`tar c . | frag sandbox exec -- tar x` copies a folder",
				  "'%s' is a folder", from);
	pipe_fd = is_pipe ? STDIN_FILENO : fd;
	x->file = (struct provider_file){
		.path = x->path,
		.mode = st.st_mode & 0777,
		.on_read = read_here,
		.size = is_pipe || !S_ISREG(st.st_mode) ? -1 : st.st_size,
	};
	r = provider_run(x->s.provider, start_put, x, -1, x->s.why);
	cli_changed(x->s.cli, project_name(x->s.project));
	return r ? sandbox_refuse(&x->s, r, "write the file") : CLI_DONE;
}

static int fetch_to(struct copy *x, int fd)
{
	pipe_fd = fd;
	x->sink = (struct provider_sink){.path = x->path, .on_write = write_here};
	return provider_run(x->s.provider, start_fetch, x, -1, x->s.why);
}

static int copy_out(struct copy *x, const char *to)
{
	CLEANUP(free_p) char *beside = NULL;
	CLEANUP(close_p) int fd = -1;
	struct stat st;
	int r;

	if (!strcmp(to, "-")) {
		r = fetch_to(x, STDOUT_FILENO);
		return r ? sandbox_refuse(&x->s, r, "read the file") : CLI_DONE;
	}
	beside = !stat(to, &st) && S_ISDIR(st.st_mode)
			 ? alloc_fmt("%s/%s", to, strrchr(x->path, '/') + 1)
			 : alloc_str(to);
	to = beside;
	beside = alloc_fmt("%s.frag-part", to);
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		r = cli_refuse(NULL, "cannot write '%s': %s", to, strerrordesc_np(errno));
		free((void *)(uintptr_t)to);
		return r;
	}
	r = fetch_to(x, fd);
	if (r)
		r = sandbox_refuse(&x->s, r, "read the file");
	else if (fchmod(fd, (x->sink.mode ? x->sink.mode & 0777 : 0666) & ~x->s.cli->umask) ||
		 rename(beside, to))
		r = cli_refuse(NULL, "cannot write '%s': %s", to, strerrordesc_np(errno));
	if (r)
		(void)unlink(beside);
	free((void *)(uintptr_t)to);
	return r;
}

static int run_cp(struct cli *cli, const struct cli_args *args)
{
	struct copy x = {.path = NULL};
	const char *from, *to;
	size_t used;
	int r = sandbox_open_existing(&x.s, cli, args, &used);

	if (!r && args->n_pos - used != 2)
		r = cli_usage("a source and a target are needed");
	if (!r) {
		from = args->pos[used];
		to = args->pos[used + 1];
		if ((*from == ':') == (*to == ':'))
			r = cli_usage("one of the two is in the sandbox: write it as :path");
		else
			r = absolute(&x, *from == ':' ? from + 1 : to + 1);
		if (!r)
			r = *from == ':' ? copy_out(&x, to) : copy_in(&x, from);
	}
	free(x.path);
	sandbox_close(&x.s);
	return r;
}

const struct verb verb_sandbox_cp = {
	.name = "sandbox cp",
	.synopsis = "[<project>] <source> <target>",
	.summary = "copy a file into a project's sandbox or out of it",
	.help = "The one that is inside is written as :path, below the project's folder or "
		"absolute. "
		"- stands for standard input or output.\n"
		"\n"
		"  frag sandbox cp shop photo.png :public/photo.png\n"
		"  frag sandbox cp shop :dev.log -",
	.min_pos = 2,
	.max_pos = 3,
	.run = run_cp,
};
