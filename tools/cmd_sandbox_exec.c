/* frag sandbox exec: a command inside, as if it ran here.
 *
 *	standard input --STDIN--> agent --pipe--> command --pipes--> agent --OUTPUT--> standard output, error
 *	Ctrl-C         --SIGNAL-> agent --kill--> its process group        --EXITED--> our exit status
 *
 * Input is read only while little of it waits to be sent, so a command that reads slowly slows its source. When we are
 * killed, the stream closes and the agent kills the command.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "provider/agent/wire.h"
#include "store/project.h"
#include "tools/sandbox.h"
#include "tools/verbs.h"

enum {
	EXEC_ID = 1,
	OUT_LIMIT = 8 << 20,
	OUT_HIGH = 256 << 10,
	STATUS_NOT_RUN = 127, /* as shells have it */
};

enum { EXEC_CWD, EXEC_ENV };

struct exec {
	struct sandbox s;
	struct channel *stream;
	struct wire_stream in;
	struct buf out;
	int signals; /* signalfd */
	bool input_ended, over;
	int status;
};

static int start_open(struct provider *p, void *arg, struct provider_call *c)
{
	struct exec *x = arg;

	return provider_agent_open(p, x->s.record.id, &x->stream, c);
}

static int say(struct exec *x, const struct wire_frame *f)
{
	return wire_encode(&x->out, f);
}

static int add_words(struct buf *b, const char *const *words, size_t n, struct wire_list *ret)
{
	int r = 0;

	for (size_t i = 0; i < n && !r; i++)
		r = wire_list_add(b, words[i]);
	*ret = (struct wire_list){.p = b->data, .len = b->len, .n = (uint16_t)n};
	return r;
}

static int request(struct exec *x, const struct cli_args *args)
{
	struct wire_frame f = {.type = WIRE_EXEC, .id = EXEC_ID};
	const char *const *env = &args->values[EXEC_ENV];
	struct buf argv_bytes, env_bytes;
	int r;

	buf_init(&argv_bytes, WIRE_DATA_MAX);
	buf_init(&env_bytes, WIRE_DATA_MAX);
	f.cwd = wire_str(args->values[EXEC_CWD] ? args->values[EXEC_CWD] : "");
	r = say(x, &(struct wire_frame){
			   .type = WIRE_HELLO, .id = EXEC_ID, .version = WIRE_VERSION});
	if (!r)
		r = add_words(&argv_bytes, args->rest, args->n_rest, &f.argv);
	if (!r)
		r = add_words(&env_bytes, env, *env != NULL, &f.env);
	if (!r)
		r = say(x, &f);
	buf_deinit(&argv_bytes);
	buf_deinit(&env_bytes);
	return r ? cli_refuse(NULL, "the command is too long") : CLI_DONE;
}

static void end(struct exec *x, int status)
{
	x->over = true;
	x->status = status;
}

static void hear(struct exec *x, const struct wire_frame *f)
{
	switch ((int)f->type) {
	case WIRE_WELCOME:
	case WIRE_STARTED:
		return;
	case WIRE_OUTPUT:
		/* Nobody reads us any more: the command shall not go on for nothing. */
		if (io_write_all(f->fd == 2 ? STDERR_FILENO : STDOUT_FILENO, f->data.p,
				 f->data.len))
			end(x, 128 + SIGPIPE);
		return;
	case WIRE_EXITED:
		end(x, f->status);
		return;
	case WIRE_ERROR:
		end(x, f->code == WIRE_E_EXEC ? STATUS_NOT_RUN : CLI_FAILED);
		(void)cli_refuse(NULL, "%.*s", (int)f->message.len, f->message.p);
		return;
	default:
		end(x, cli_refuse(NULL, "the agent sent %s out of place",
				  wire_type_name(f->type)));
	}
}

static void take_replies(struct exec *x)
{
	while (!x->over) {
		struct wire_frame f;
		size_t room;
		void *p = wire_stream_room(&x->in, &room);
		ssize_t n = p ? x->stream->ops->recv(x->stream, p, room) : -ENOMEM;
		int r = 0;

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			end(x, cli_refuse("`frag sandbox list` shows whether it runs",
					  "the sandbox ended meanwhile"));
			return;
		}
		wire_stream_filled(&x->in, (size_t)n);
		while (!x->over && !(r = wire_stream_next(&x->in, &f)))
			hear(x, &f);
		if (r == WIRE_BAD)
			end(x, cli_refuse(NULL, "the agent sent bytes that are no frame"));
	}
}

static void send_what_waits(struct exec *x)
{
	while (x->out.len) {
		ssize_t n = x->stream->ops->send(x->stream, x->out.data, x->out.len);

		if (n <= 0)
			return; /* full, or broken: then the replies end, and say so */
		x->out.len -= (size_t)n;
		memmove(x->out.data, x->out.data + n, x->out.len);
	}
}

static void take_input(struct exec *x)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
	static char chunk[64 << 10];
	ssize_t n;

	if (x->input_ended || x->out.len > OUT_HIGH || poll(&fd, 1, 0) <= 0)
		return;
	n = read(STDIN_FILENO, chunk, sizeof(chunk));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	x->input_ended = n <= 0;
	(void)say(x, &(struct wire_frame){.type = WIRE_STDIN,
					  .id = EXEC_ID,
					  .data = wire_data(chunk, n > 0 ? (size_t)n : 0)});
}

static void take_signals(struct exec *x)
{
	struct signalfd_siginfo info;

	while (read(x->signals, &info, sizeof(info)) == sizeof(info))
		(void)say(x, &(struct wire_frame){.type = WIRE_SIGNAL,
						  .id = EXEC_ID,
						  .signal = (uint8_t)info.ssi_signo});
}

static int converse(struct exec *x)
{
	while (!x->over) {
		int fds[3] = {x->stream->ops->fd(x->stream), x->signals, STDIN_FILENO};
		bool listens = !x->input_ended && x->out.len <= OUT_HIGH;

		take_signals(x);
		take_input(x);
		send_what_waits(x);
		if (provider_poll(x->s.provider, fds, listens ? 3 : 2, -1) < 0)
			return CLI_FAILED;
		take_replies(x);
	}
	return x->status;
}

static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int exec(struct exec *x, const struct cli_args *args)
{
	int r = provider_run(x->s.provider, start_open, x, 0, x->s.why);

	if (r)
		return sandbox_refuse(&x->s, r, "reach the sandbox");
	x->signals = catch_signals();
	r = request(x, args);
	if (!r)
		r = converse(x);
	x->stream->ops->close(x->stream);
	close_p(&x->signals);
	/* It may have changed files: the mirror looks. */
	cli_changed(x->s.cli, project_name(x->s.project));
	return r;
}

static int run_exec(struct cli *cli, const struct cli_args *args)
{
	struct exec x = {.signals = -1};
	size_t used;
	int r;

	if (!args->n_rest)
		return cli_usage("no command; it stands behind --");
	r = sandbox_open_existing(&x.s, cli, args, &used);
	wire_stream_init(&x.in);
	buf_init(&x.out, OUT_LIMIT);
	if (!r)
		r = exec(&x, args);
	wire_stream_deinit(&x.in);
	buf_deinit(&x.out);
	sandbox_close(&x.s);
	return r;
}

static const struct cli_option exec_options[] = {
	[EXEC_CWD] = {'C', "cwd", "DIR", "where to run it; else the project's folder"},
	[EXEC_ENV] = {'e', "env", "NAME=VALUE", "one more variable of its environment"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_sandbox_exec = {
	.name = "sandbox exec",
	.synopsis = "[<project>] -- <command> [<argument>...]",
	.summary = "run a command inside a project's sandbox",
	.help = "Input, output and exit status are passed through, and so are SIGINT, "
		"SIGTERM, SIGHUP and "
		"SIGQUIT. What it leaves running in the background goes on. Exit status 127: "
		"it could not "
		"be started; 128 + n: it ended by signal n.\n"
		"\n"
		"  frag sandbox exec shop -- npm test\n"
		"  tar c . | frag sandbox exec shop -- tar x\n"
		"  frag sandbox exec shop -- sh -c 'npm run dev >dev.log 2>&1 &'",
	.options = exec_options,
	.max_pos = 1,
	.run = run_exec,
};
