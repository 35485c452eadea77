/* tests/agent_client.c - a client of the agent that waits for everything.
 *
 * It speaks the wire through the product's codec and computes trees with the product's hash, both of which have
 * tests of their own against git.
 */
#include "tests/agent_client.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/sha1.h"
#include "provider/agent/treehash.h"

static void greet(struct agent_client *c)
{
	c->welcome = agent_client_ask(
		c, (struct wire_frame){.type = WIRE_HELLO, .version = WIRE_VERSION});
	assert_frame(&c->welcome, WIRE_WELCOME);
}

void agent_client_use(struct agent_client *c, int fd)
{
	*c = (struct agent_client){.fd = fd};
	wire_stream_init(&c->in);
	buf_init(&c->out, 256 << 20);
	greet(c);
}

void agent_client_start(struct agent_client *c, const char *agent, const char *home)
{
	int pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		(void)dup2(pair[1], 3);
		(void)close_range(4, ~0U, 0);
		(void)execl(agent, agent, "--home", home, "--session-fd", "3", (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	agent_client_use(c, pair[0]);
	c->pid = pid;
}

static void put_away(struct agent_client *c)
{
	close(c->fd);
	wire_stream_deinit(&c->in);
	buf_deinit(&c->out);
}

void agent_client_stop(struct agent_client *c)
{
	int status;

	put_away(c);
	if (!c->pid)
		return;
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_int_equal(status, 0);
}

void agent_client_kill(struct agent_client *c)
{
	assert_int_equal(kill(c->pid, SIGKILL), 0);
	assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
	put_away(c);
}

uint32_t agent_client_new_id(struct agent_client *c)
{
	return ++c->id;
}

void agent_client_gather(struct agent_client *c, struct wire_frame f)
{
	f.id = c->id;
	assert_int_equal(wire_encode(&c->out, &f), 0);
}

void agent_client_flush(struct agent_client *c)
{
	size_t at = 0;

	while (at < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + at, c->out.len - at, MSG_NOSIGNAL);

		assert_true(n > 0);
		at += (size_t)n;
	}
	buf_clear(&c->out);
}

bool agent_client_try_next(struct agent_client *c, struct wire_frame *ret)
{
	int r;

	while ((r = wire_stream_next(&c->in, ret)) == WIRE_SHORT) {
		size_t room;
		void *p = wire_stream_room(&c->in, &room);
		ssize_t n;

		do
			n = recv(c->fd, p, room, 0);
		while (n < 0 && errno == EINTR);
		if (n <= 0)
			return false;
		wire_stream_filled(&c->in, (size_t)n);
	}
	assert_int_equal(r, 0);
	return true;
}

struct wire_frame agent_client_next(struct agent_client *c)
{
	struct wire_frame f;

	assert_true(agent_client_try_next(c, &f));
	return f;
}

struct wire_frame agent_client_ask(struct agent_client *c, struct wire_frame f)
{
	(void)agent_client_new_id(c);
	agent_client_gather(c, f);
	agent_client_flush(c);
	f = agent_client_next(c);
	assert_int_equal(f.id, c->id);
	return f;
}

struct oid agent_client_tree(const struct tree_file *files)
{
	struct treehash *t = treehash_new();
	struct oid oid;

	for (; files->path; files++) {
		sha1_blob(files->text, strlen(files->text), &oid);
		assert_int_equal(treehash_add(t, files->path, files->mode, &oid), 0);
	}
	assert_int_equal(treehash_end(t, &oid), 0);
	treehash_free(t);
	return oid;
}

static int by_path(const void *key, const void *member)
{
	return strcmp(key, ((const struct tree_file *)member)->path);
}

static const struct tree_file *find(const struct tree_file *files, const char *path)
{
	size_t n = 0;

	while (files[n].path)
		n++;
	return bsearch(path, files, n, sizeof(*files), by_path);
}

static bool is_same(const struct tree_file *a, const struct tree_file *b)
{
	return a && b && a->mode == b->mode && !strcmp(a->text, b->text);
}

static uint32_t count_changes(const struct tree_file *from, const struct tree_file *to)
{
	uint32_t n = 0;

	for (const struct tree_file *f = from; f->path; f++)
		n += !find(to, f->path);
	for (const struct tree_file *f = to; f->path; f++)
		n += !is_same(find(from, f->path), f);
	return n;
}

static void gather_file(struct agent_client *c, const struct tree_file *f, unsigned source)
{
	struct wire_frame frame = {
		.type = WIRE_FILE,
		.mode = f->mode,
		.size = strlen(f->text),
		.source = (uint8_t)source,
		.path = wire_str(f->path),
	};

	sha1_blob(f->text, frame.size, &frame.oid);
	if (source == WIRE_INLINE)
		frame.data = wire_data(f->text, frame.size);
	agent_client_gather(c, frame);
}

void agent_client_gather_switch(struct agent_client *c, const struct tree_file *from,
				const struct tree_file *to, unsigned source)
{
	agent_client_gather(c, (struct wire_frame){.type = WIRE_APPLY,
						   .from = agent_client_tree(from),
						   .to = agent_client_tree(to),
						   .n_changes = count_changes(from, to)});
	for (const struct tree_file *f = from; f->path; f++)
		if (!find(to, f->path))
			agent_client_gather(c, (struct wire_frame){.type = WIRE_REMOVE,
								   .path = wire_str(f->path)});
	for (const struct tree_file *f = to; f->path; f++)
		if (!is_same(find(from, f->path), f))
			gather_file(c, f, source);
	agent_client_gather(c, (struct wire_frame){.type = WIRE_COMMIT});
}

struct wire_frame agent_client_switch(struct agent_client *c, const struct tree_file *from,
				      const struct tree_file *to, unsigned source)
{
	(void)agent_client_new_id(c);
	agent_client_gather_switch(c, from, to, source);
	agent_client_flush(c);
	return agent_client_next(c);
}

void assert_frame(const struct wire_frame *f, enum wire_type type)
{
	if (f->type == type)
		return;
	if (f->type == WIRE_ERROR)
		fail_msg("ERROR %u: %.*s", f->code, (int)f->message.len, f->message.p);
	fail_msg("%s instead of %s", wire_type_name(f->type), wire_type_name(type));
}

void assert_refused(const struct wire_frame *f, enum wire_error code)
{
	assert_frame(f, WIRE_ERROR);
	if (f->code != (uint16_t)code)
		fail_msg("ERROR %u instead of %u: %.*s", f->code, (unsigned)code,
			 (int)f->message.len, f->message.p);
}
