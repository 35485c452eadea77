/* What git may do when we run it.
 *
 * The well-kept tool does the transfers, but it does a great many other things by itself, most of them
 * by configuration. Whatever can run a program or write elsewhere is switched off by name on the
 * command line, which no config file can override. The user's own global and system config are
 * read, since they say how to reach servers; the config of a foreign repository never is,
 * as git only ever works in a repository of ours.
 *
 * A password from a URL is handed over by `credential-store` reading a file that exists only
 * in our memory, so it stands in no argument list, no environment and on no disk.
 */
#include "store/import_git_child.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proc.h"
#include "store/import_git_url.h"

enum { ARGS_MAX = 96, WORDS_MAX = 16 << 10, LINE_MAX_KEPT = 2000 };

static const char *const settings[] = {
	"core.hooksPath=/dev/null",
	"core.fsmonitor=false",
	"core.fsync=all",
	"core.fsyncMethod=fsync",
	"core.alternateRefsPrefixes=refs/heads/ refs/tags/ refs/remotes/",
	"core.logAllRefUpdates=false",
	"fetch.fsckObjects=false", /* hostile trees are shown as such by the judge, not hidden */
	"transfer.fsckObjects=false",
	"fetch.unpackLimit=1",
	"transfer.unpackLimit=1",
	"fastimport.unpackLimit=0",
	"fetch.recurseSubmodules=false",
	"fetch.writeCommitGraph=false",
	"fetch.prune=false",
	"fetch.pruneTags=false",
	"submodule.recurse=false",
	"gc.auto=0",
	"maintenance.auto=false",
	"protocol.ext.allow=never",
	"transfer.bundleURI=false",
	"advice.detachedHead=false",
};

/* Variables by which a user says how servers are reached, and where their own config is. */
static bool keeps(const char *entry)
{
	static const char *const prefixes[] = {"GIT_SSH=",           "GIT_SSH_",
					       "GIT_SSL_",           "GIT_HTTP_",
					       "GIT_PROXY_",         "GIT_ASKPASS=",
					       "GIT_EXEC_PATH=",     "GIT_CONFIG_GLOBAL=",
					       "GIT_CONFIG_SYSTEM=", "GIT_CONFIG_NOSYSTEM=",
					       "GIT_CONFIG_COUNT=",  "GIT_CONFIG_KEY_",
					       "GIT_CONFIG_VALUE_"};

	if (!strncmp(entry, "LC_ALL=", 7) || !strncmp(entry, "LANGUAGE=", 9))
		return false;
	if (strncmp(entry, "GIT_", 4) != 0)
		return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		if (!strncmp(entry, prefixes[i], strlen(prefixes[i])))
			return true;
	}
	return false;
}

static const char **environment(const struct import_git_child *c)
{
	static const char *const ours[] = {
		"LC_ALL=C", "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh", "GIT_NO_LAZY_FETCH=1",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_OPTIONAL_LOCKS=0"};
	const char **env;
	size_t n = 0, total = 0;

	while (c->env && c->env[total])
		total++;
	env = alloc_array(total + sizeof(ours) / sizeof(*ours) + 2, sizeof(*env));
	for (size_t i = 0; i < total; i++) {
		if (keeps(c->env[i]))
			env[n++] = c->env[i];
	}
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		env[n++] = ours[i];
	env[n] = c->may_prompt ? "GIT_TERMINAL_PROMPT=1" : "GIT_TERMINAL_PROMPT=0";
	return env;
}

static int add_escaped(struct buf *b, const char *s)
{
	int r = 0;

	for (; !r && *s; s++)
		r = isalnum((unsigned char)*s) ? buf_u8(b, (uint8_t)*s)
					       : buf_fmt(b, "%%%02X", (unsigned char)*s);
	return r;
}

/* The password as a file in memory that `git credential-store` can read: "https://user:pass@host". */
static int secret_fd(const struct import_git_url *u)
{
	CLEANUP(buf_deinit) struct buf b = {0};
	const char *host = strstr(u->url, "://") + 3, *at = strchr(host, '@');
	int fd = memfd_create("credentials", MFD_CLOEXEC), r;

	if (fd < 0)
		return fail(-errno, "make a file in memory");
	buf_init(&b, 16 << 10);
	r = buf_add(&b, u->url, (size_t)(host - u->url));
	if (!r)
		r = add_escaped(&b, u->user);
	if (!r)
		r = buf_str(&b, ":");
	if (!r)
		r = add_escaped(&b, u->password);
	host = at ? at : host;
	if (!r)
		r = buf_fmt(&b, "%.*s\n", (int)strcspn(host, "/?#"), host);
	if (!r)
		r = io_write_all(fd, b.data, b.len);
	explicit_bzero(b.data, b.len);
	if (!r)
		return fd;
	close(fd);
	return fail(r, "hand the password to git");
}

/* argv and environment of one run, and what must live as long. */
struct command {
	const char *argv[ARGS_MAX];
	size_t n;
	const char **env;
	char *git_dir, *helper;
	int secret;
};

static void command_deinit(struct command *k)
{
	free((void *)k->env);
	free(k->git_dir);
	free(k->helper);
	close_p(&k->secret);
}

static void push(struct command *k, const char *arg)
{
	if (k->n + 1 < ARGS_MAX)
		k->argv[k->n++] = arg;
}

static int command_init(struct command *k, const struct import_git_child *c,
			const char *const *args)
{
	*k = (struct command){.secret = -1};
	k->env = environment(c);
	k->git_dir = alloc_fmt("--git-dir=%s", c->git_dir);
	push(k, "git");
	push(k, k->git_dir);
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		push(k, "-c");
		push(k, settings[i]);
	}
	if (c->url && c->url->password && c->url->user) {
		k->secret = secret_fd(c->url);
		if (k->secret < 0)
			return k->secret;
		k->helper = alloc_fmt("credential.helper=store --file=/proc/%ld/fd/%d",
				      (long)getpid(), k->secret);
		push(k, "-c");
		push(k, "credential.helper=");
		push(k, "-c");
		push(k, k->helper);
	}
	while (*args)
		push(k, *args++);
	return 0;
}

/* What a child says on its standard error, line by line. */
struct words {
	const struct import_git_child *child;
	struct buf kept; /* lines that are no progress */
	char line[LINE_MAX_KEPT];
	size_t len;
};

/* "Receiving objects:  12% (34/56), 1.00 MiB" */
static bool is_progress(const char *line, char *phase, size_t size, uint64_t *done,
			uint64_t *total)
{
	const char *colon = strchr(line, ':'), *open = colon ? strchr(colon, '(') : NULL;
	int n;

	if (!strncmp(line, "remote: ", 8))
		return is_progress(line + 8, phase, size, done, total);
	if (!colon)
		return false;
	n = (int)(colon - line);
	(void)snprintf(phase, size, "%.*s", n, line);
	if (open && strchr(colon, '%') &&
	    sscanf(open, "(%" SCNu64 "/%" SCNu64 ")", done, total) == 2)
		return true;
	*total = 0;
	return sscanf(colon, ": %" SCNu64 "%*1[,.]", done) == 1 && !strstr(line, "fatal");
}

static void end_line(struct words *w)
{
	uint64_t done = 0, total = 0;
	char phase[64];

	w->line[w->len] = '\0';
	if (w->len && is_progress(w->line, phase, sizeof(phase), &done, &total)) {
		if (w->child->progress)
			w->child->progress(phase, done, total, w->child->arg);
	} else if (w->len && !buf_add(&w->kept, w->line, w->len)) {
		(void)buf_str(&w->kept, "\n");
	}
	w->len = 0;
}

static void hear(struct words *w, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\r' || data[i] == '\n')
			end_line(w);
		else if (w->len + 1 < sizeof(w->line))
			w->line[w->len++] = data[i];
	}
}

/* Of many words those that say why. */
static bool is_reason(const char *line)
{
	return !strncmp(line, "fatal:", 6) || !strncmp(line, "error:", 6) ||
	       !strncmp(line, "remote:", 7) || !strncmp(line, "ssh:", 4);
}

static void say(struct words *w, const char *what)
{
	bool only_reasons = false;
	char *end;

	end_line(w);
	if (!w->kept.len)
		log_err("import: git %s failed and did not say why", what);
	if (strstr(w->kept.data, "iskspace") || strstr(w->kept.data, "No space left"))
		log_err("import: there is no space left on the home's disk: make room and "
			"import "
			"again");
	for (int pass = 0; pass < 2; pass++) {
		const char *last = "";

		for (char *line = w->kept.data; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			only_reasons |= is_reason(line);
			if (pass && strcmp(line, last) != 0 &&
			    (!only_reasons || is_reason(line)))
				log_err("import: git %s: %s", what, line);
			last = line;
			if (!pass)
				*end = '\n';
		}
	}
}

/* Reads both pipes until both have ended. */
static int listen_to(int out, struct buf *out_buf, int err, struct words *w)
{
	struct pollfd fds[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
	static const int most = 65536;
	CLEANUP(free_p) char *chunk = alloc_zero((size_t)most);

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return fail(-errno, "wait for git");
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			n = read(fds[i].fd, chunk, (size_t)most);
			if (n <= 0)
				fds[i].fd = n < 0 && errno == EINTR ? fds[i].fd : -1;
			else if (i == 1)
				hear(w, chunk, (size_t)n);
			else if (out_buf && buf_add(out_buf, chunk, (size_t)n))
				return fail(-E2BIG, "git's answer is too long");
		}
	}
	return 0;
}

static int settle(int status, struct words *w, const char *what)
{
	if (status <= 0)
		return status;
	if (what)
		say(w, what);
	return IMPORT_GIT_CHILD_FAILED;
}

int import_git_child_run(const struct import_git_child *c, const char *const *args, int in,
			 struct buf *out)
{
	CLEANUP(command_deinit) struct command k;
	CLEANUP(buf_deinit) struct buf kept;
	struct words w = {.child = c};
	int o[2] = {-1, -1}, e[2] = {-1, -1}, r, status;
	struct proc p = {.argv = k.argv, .cwd_fd = -1, .in_fd = in, .dies_with_us = true};
	pid_t pid = -1;

	buf_init(&kept, WORDS_MAX);
	r = command_init(&k, c, args);
	if (r)
		return r;
	if (pipe2(o, O_CLOEXEC) || pipe2(e, O_CLOEXEC)) {
		r = fail(-errno, "pipe for git");
	} else {
		p.env = k.env;
		p.out_fd = o[1];
		p.err_fd = e[1];
		r = proc_start(&p, &pid);
	}
	close_p(&o[1]);
	close_p(&e[1]);
	if (!r) {
		w.kept = kept;
		r = listen_to(o[0], out, e[0], &w);
		if (r)
			(void)kill(pid, SIGKILL);
		status = proc_wait(pid);
		r = r ? r : settle(status, &w, args[0]);
		kept = w.kept;
	}
	close_p(&o[0]);
	close_p(&e[0]);
	return r;
}

int import_git_child_start(const struct import_git_child *c, const char *const *args,
			   struct import_git_feed *ret)
{
	CLEANUP(command_deinit) struct command k;
	CLEANUP(close_p) int theirs = -1;
	CLEANUP(close_p) int ours = -1;
	CLEANUP(close_p) int said = -1;
	int pair[2], r = command_init(&k, c, args);
	struct proc p = {.argv = k.argv, .env = k.env, .cwd_fd = -1, .dies_with_us = true};

	if (r)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return fail(-errno, "make a socket for git");
	ours = pair[0];
	theirs = pair[1];
	said = memfd_create("git-said", MFD_CLOEXEC);
	if (said < 0)
		return fail(-errno, "make a file in memory");
	p.in_fd = theirs;
	p.out_fd = said;
	p.err_fd = said;
	r = proc_start(&p, &ret->pid);
	if (r)
		return r;
	ret->in = TAKE_FD(ours);
	ret->err = TAKE_FD(said);
	return 0;
}

int import_git_child_finish(struct import_git_feed *f, const char *what)
{
	static const struct import_git_child nobody;
	struct words w = {.child = &nobody};
	CLEANUP(buf_deinit) struct buf said;
	int status;

	close_p(&f->in);
	f->in = -1;
	status = proc_wait(f->pid);
	buf_init(&said, WORDS_MAX);
	buf_init(&w.kept, WORDS_MAX);
	if (lseek(f->err, 0, SEEK_SET) == 0)
		(void)io_slurp_fd(f->err, &said);
	close_p(&f->err);
	f->err = -1;
	hear(&w, said.data, said.len);
	status = settle(status, &w, what);
	buf_deinit(&w.kept);
	return status;
}
