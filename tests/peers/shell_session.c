/* tests/peers/shell_session.c - one bash per session, told what to do line by line.
 *
 * The shell's own standard input is ours: each command comes as base64, is written to a file and sourced with a pipe of
 * its own as input. Behind it both outputs get a mark that nobody can guess, with the status: it ends the
 * command's part of that output. The next command is told when both marks of the one before have been seen.
 */
#include "tests/peers/shell_session.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tests/peers/connect.h"
#include "tests/peers/guest.h"
#include "tests/peers/run.h"
#include "tests/peers/script.h"

enum { TOKEN_LEN = 24, WATCHERS_MAX = 64, SESSIONS_MAX = 256 };

struct session {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int refs;
	char id[SESSION_ID_MAX], folder[64], token[TOKEN_LEN + 1];
	struct run *run;
	struct command *commands[SESSION_COMMANDS_MAX];
	size_t n, n_done; /* the one at n_done runs, when there is one */
	bool over, marked[2];
	struct buf pending[2]; /* of either output: less than a line */
	int watchers[WATCHERS_MAX];
	size_t n_watchers;
};

struct sessions {
	struct session *list[SESSIONS_MAX];
	size_t n;
};

void session_lock(struct session *s)
{
	pthread_mutex_lock(&s->lock);
}

void session_unlock(struct session *s)
{
	pthread_mutex_unlock(&s->lock);
}

const char *session_id(const struct session *s)
{
	return s->id;
}

static void tell_locked(struct session *s)
{
	const uint64_t one = 1;

	pthread_cond_broadcast(&s->changed);
	for (size_t i = 0; i < s->n_watchers; i++)
		(void)!write(s->watchers[i], &one, sizeof(one));
}

/* One line, or the unfinished last one, without its end. */
static void add_line(struct command *c, int fd, const char *line, size_t len)
{
	static const char marks[2][3] = {{1, 1, 1}, {2, 2, 2}};
	struct buf *own = fd == 2 ? &c->err : &c->out;

	(void)buf_add(&c->log, marks[fd == 2], 3);
	for (size_t i = 0; i < len; i++)
		if (line[i]) {
			(void)buf_add(&c->log, line + i, 1);
			(void)buf_add(own, line + i, 1);
		}
	(void)buf_str(&c->log, "\n");
	(void)buf_str(own, "\n");
}

static void start_next_locked(struct session *s)
{
	struct command *c = s->commands[s->n_done];
	struct buf line;

	s->marked[0] = s->marked[1] = false;
	buf_init(&line, 4 << 20);
	(void)buf_fmt(&line, "echo ");
	(void)base64_encode(&line, c->text, strlen(c->text));
	(void)buf_fmt(&line,
		      " | base64 -d >%s/run; rm -f %s/%s; mkfifo %s/%s; . %s/run 0<>%s/%s; "
		      "__mark=$?; printf '\\000%s:%%d\\000' $__mark; printf '\\000%s:%%d\\000' "
		      "$__mark >&2\n",
		      s->folder, s->folder, c->id, s->folder, c->id, s->folder, s->folder,
		      c->id, s->token, s->token);
	(void)run_input(s->run, line.data, line.len);
	buf_deinit(&line);
}

static void finish_locked(struct session *s, int status)
{
	struct command *c = s->commands[s->n_done++];

	c->done = true;
	c->status = status;
	tell_locked(s);
	if (s->n_done < s->n)
		start_next_locked(s);
}

/* Takes whole lines, and a mark, off what came on `fd`. */
static void understand_locked(struct session *s, int fd)
{
	struct buf *b = &s->pending[fd == 2];
	struct command *c = s->n_done < s->n ? s->commands[s->n_done] : NULL;
	char needle[TOKEN_LEN + 2] = "", *mark, *end, *at = b->data;
	size_t left;

	memcpy(needle + 1, s->token, TOKEN_LEN);
	needle[TOKEN_LEN + 1] = ':';
	mark = memmem(b->data, b->len, needle, sizeof(needle));
	end = mark ? mark : b->data + b->len;
	while (at < end) {
		char *nl = memchr(at, '\n', (size_t)(end - at));

		if (!nl && !mark)
			break;
		if (c)
			add_line(c, fd, at, (size_t)((nl ? nl : end) - at));
		at = nl ? nl + 1 : end;
	}
	left = (size_t)(b->data + b->len - at);
	if (mark && memchr(mark + 1, '\0', left - 1)) {
		int status = (int)strtoul(mark + sizeof(needle), NULL, 10);

		left -= strlen(mark + 1) + 2;
		at = b->data + b->len - left;
		s->marked[fd == 2] = true;
		memmove(b->data, at, left);
		b->len = left;
		if (c && s->marked[0] && s->marked[1])
			finish_locked(s, status);
		return;
	}
	memmove(b->data, at, left);
	b->len = left;
	tell_locked(s);
}

static void *look_after(void *arg)
{
	struct session *s = arg;
	struct listener *l = run_listen(s->run, true);
	struct piece p;

	while (!run_next(l, -1, -1, &p)) {
		session_lock(s);
		if (buf_add(&s->pending[p.fd == 2], p.data, p.len))
			buf_clear(&s->pending[p.fd == 2]); /* a line of megabytes */
		understand_locked(s, p.fd);
		session_unlock(s);
	}
	run_unlisten(l);
	session_lock(s);
	s->over = true;
	tell_locked(s);
	session_unlock(s);
	session_unref(s);
	return NULL;
}

static void session_free(struct session *s)
{
	for (size_t i = 0; i < s->n; i++) {
		buf_deinit(&s->commands[i]->log);
		buf_deinit(&s->commands[i]->out);
		buf_deinit(&s->commands[i]->err);
		free(s->commands[i]->text);
		free(s->commands[i]);
	}
	buf_deinit(&s->pending[0]);
	buf_deinit(&s->pending[1]);
	run_unref(s->run);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void session_unref(struct session *s)
{
	bool last;

	if (!s)
		return;
	session_lock(s);
	last = !--s->refs;
	session_unlock(s);
	if (last)
		session_free(s);
}

static struct session *ref(struct session *s)
{
	session_lock(s);
	s->refs++;
	session_unlock(s);
	return s;
}

struct session *session_find(struct guest *g, const char *id)
{
	struct session *found = NULL;
	struct sessions *all;

	guests_lock(g->all);
	all = g->sessions;
	for (size_t i = 0; all && i < all->n && !found; i++)
		if (!strcmp(all->list[i]->id, id))
			found = ref(all->list[i]);
	guests_unlock(g->all);
	return found;
}

size_t session_all(struct guest *g, struct session ***ret)
{
	struct sessions *all;
	size_t n;

	guests_lock(g->all);
	all = g->sessions;
	n = all ? all->n : 0;
	*ret = alloc_array(n + 1, sizeof(**ret));
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = ref(all->list[i]);
	guests_unlock(g->all);
	return n;
}

/* Takes over a reference. */
static bool enter(struct guest *g, struct session *s)
{
	struct sessions *all;
	bool ok;

	guests_lock(g->all);
	if (!g->sessions) {
		g->sessions = alloc_zero(sizeof(struct sessions));
		g->sessions_free = sessions_free;
	}
	all = g->sessions;
	ok = all->n < SESSIONS_MAX;
	for (size_t i = 0; i < all->n; i++)
		ok = ok && strcmp(all->list[i]->id, s->id);
	if (ok)
		all->list[all->n++] = s;
	guests_unlock(g->all);
	return ok;
}

void sessions_free(void *sessions)
{
	struct sessions *all = sessions;

	for (size_t i = 0; i < all->n; i++)
		session_unref(all->list[i]);
	free(all);
}

int session_create(struct guest *g, const char *id)
{
	static const char start[] = "umask 077; mkdir -p \"$1\" && umask 022 && exec bash";
	struct session *s = alloc_zero(sizeof(*s)), *taken = session_find(g, id);
	const char *const argv[] = {"/bin/sh", "-c", start, "sh", s->folder, NULL};
	char why[RUN_WHY_MAX];
	pthread_t thread;

	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->refs = 3; /* the list's, the thread's, ours */
	(void)snprintf(s->id, sizeof(s->id), "%s", id);
	guest_random(s->token, TOKEN_LEN);
	(void)snprintf(s->folder, sizeof(s->folder), "/tmp/.session-%.16s", s->token);
	buf_init(&s->pending[0], SESSION_LOG_MAX);
	buf_init(&s->pending[1], SESSION_LOG_MAX);
	if (taken ||
	    run_start(g, &(struct run_spec){.argv = argv, .cwd = "/home/daytona", .hold = true},
		      &s->run, why)) {
		session_free(s);
		session_unref(taken);
		return taken ? SESSION_EXISTS : SESSION_FAILED;
	}
	if (!guest_add_run(g, s->run))
		run_signal(s->run, SIGKILL);
	if (pthread_create(&thread, NULL, look_after, s))
		abort();
	pthread_detach(thread);
	if (!enter(g, s)) {
		run_signal(s->run, SIGKILL);
		session_unref(s);
		session_unref(s);
		return SESSION_EXISTS;
	}
	session_unref(s);
	return 0;
}

void session_delete(struct guest *g, struct session *s)
{
	struct sessions *all;
	bool found = false;

	guests_lock(g->all);
	all = g->sessions;
	for (size_t i = 0; all && i < all->n && !found; i++)
		if (all->list[i] == s) {
			all->list[i] = all->list[--all->n];
			found = true;
		}
	guests_unlock(g->all);
	run_signal(s->run, SIGKILL);
	guest_remove_run(g, s->run);
	if (found)
		session_unref(s);
}

/* A version 4 UUID would do as well; only its being unique is used. */
static void make_id(char id[37])
{
	guest_random(id, 36);
	id[8] = id[13] = id[18] = id[23] = '-';
}

int session_exec(struct session *s, const char *text, bool echoes, struct command **ret)
{
	struct command *c = alloc_zero(sizeof(*c));

	make_id(c->id);
	c->text = alloc_str(text);
	c->echoes = echoes;
	buf_init(&c->log, SESSION_LOG_MAX);
	buf_init(&c->out, SESSION_LOG_MAX);
	buf_init(&c->err, SESSION_LOG_MAX);
	session_lock(s);
	if (s->over || s->n == SESSION_COMMANDS_MAX) {
		session_unlock(s);
		free(c->text);
		free(c);
		return SESSION_ENDED;
	}
	s->commands[s->n++] = c;
	if (s->n == s->n_done + 1)
		start_next_locked(s);
	session_unlock(s);
	*ret = c;
	return 0;
}

bool session_wait(struct session *s, struct command *c)
{
	bool done;

	session_lock(s);
	while (!c->done && !s->over)
		pthread_cond_wait(&s->changed, &s->lock);
	done = c->done;
	session_unlock(s);
	return done;
}

int session_input(struct session *s, struct guest *g, struct command *c, const char *text)
{
	static const char give[] = "[ -p \"$1\" ] && cat >\"$1\"";
	char pipe[128];
	const char *const args[] = {pipe, NULL};
	size_t len = strlen(text);
	bool done;

	session_lock(s);
	done = c->done || s->over;
	if (!done && c->echoes)
		add_line(c, 1, text, len && text[len - 1] == '\n' ? len - 1 : len);
	session_unlock(s);
	(void)snprintf(pipe, sizeof(pipe), "%s/%s", s->folder, c->id);
	if (done ||
	    script_run(g,
		       &(struct script){.text = give, .args = args, .in = text, .in_len = len}))
		return SESSION_ENDED;
	return 0;
}

struct command *session_command(struct session *s, size_t i)
{
	return i < s->n ? s->commands[i] : NULL;
}

struct command *session_command_by_id(struct session *s, const char *id)
{
	struct command *c = NULL;

	session_lock(s);
	for (size_t i = 0; i < s->n && !c; i++)
		if (!strcmp(s->commands[i]->id, id))
			c = s->commands[i];
	session_unlock(s);
	return c;
}

int session_watch(struct session *s)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	session_lock(s);
	if (s->n_watchers < WATCHERS_MAX) {
		s->watchers[s->n_watchers++] = event;
	} else {
		close(event);
		event = -1;
	}
	session_unlock(s);
	return event;
}

void session_unwatch(struct session *s, int event)
{
	session_lock(s);
	for (size_t i = 0; i < s->n_watchers; i++)
		if (s->watchers[i] == event) {
			s->watchers[i] = s->watchers[--s->n_watchers];
			break;
		}
	session_unlock(s);
	close(event);
}

bool session_is_over(struct session *s)
{
	bool over;

	session_lock(s);
	over = s->over;
	session_unlock(s);
	return over;
}
