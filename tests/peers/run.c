/* tests/peers/run.c - a thread per process: the agent's stream on one side, listeners on the other.
 *
 * The stream and its provider belong to the thread alone. Everybody else changes fields under the run's lock and
 * writes to `wake`. The thread ends with the process; what it left is read from the run.
 */
#include "tests/peers/run.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "provider/agent/wire.h"
#include "tests/peers/guest.h"
#include "tests/peers/run_private.h"

enum { RUN_ID = 1, INPUT_HIGH = 1 << 20, SEND_HIGH = 1 << 20 };

static void end_locked(struct run *r, enum run_end end, int status)
{
	if (r->end != RUN_RUNS)
		return;
	r->end = end;
	r->status = status;
	r->ended_at = clock_now(clock_system());
	r->dead_input = true;
	run_tell_locked(r);
}

static void hear(struct run *r, const struct wire_frame *f)
{
	pthread_mutex_lock(&r->lock);
	if (f->type == WIRE_STARTED) {
		r->pid = f->pid;
		r->started = true;
		run_tell_locked(r);
	} else if (f->type == WIRE_OUTPUT) {
		run_add_piece_locked(r, f->fd == 2 ? 2 : 1, f->data.p, f->data.len);
	} else if (f->type == WIRE_EXITED) {
		end_locked(r, RUN_EXITED, f->status);
	} else if (f->type == WIRE_ERROR) {
		(void)snprintf(r->why, sizeof(r->why), "%.*s", (int)f->message.len,
			       f->message.p);
		end_locked(r, RUN_LOST, 0);
	}
	pthread_mutex_unlock(&r->lock);
}

/* Everything that is there. False when the stream ended. */
static bool drain(struct run *r)
{
	for (;;) {
		struct wire_frame f;
		size_t room;
		void *to;
		ssize_t n;
		bool full;

		while (!wire_stream_next(&r->in, &f))
			hear(r, &f);
		pthread_mutex_lock(&r->lock);
		full = run_is_full_locked(r);
		pthread_mutex_unlock(&r->lock);
		if (full)
			return true;
		to = wire_stream_room(&r->in, &room);
		n = to ? r->ch->ops->recv(r->ch, to, room) : 0;
		if (n == -EAGAIN)
			return true;
		if (n <= 0)
			return false;
		wire_stream_filled(&r->in, (size_t)n);
	}
}

static void encode(struct run *r, const struct wire_frame *f)
{
	struct wire_frame copy = *f;

	copy.id = RUN_ID;
	(void)wire_encode(&r->out, &copy);
}

/* Turns what others asked for into frames. */
static void gather(struct run *r)
{
	size_t n;

	pthread_mutex_lock(&r->lock);
	if (r->signal) {
		encode(r,
		       &(struct wire_frame){.type = WIRE_SIGNAL, .signal = (uint8_t)r->signal});
		r->signal = 0;
	}
	while (r->input.len && r->out.len < SEND_HIGH) {
		n = r->input.len < WIRE_DATA_MAX ? r->input.len : WIRE_DATA_MAX;
		encode(r, &(struct wire_frame){.type = WIRE_STDIN,
					       .data = wire_data(r->input.data, n)});
		r->input.len -= n;
		memmove(r->input.data, r->input.data + n, r->input.len);
		pthread_cond_broadcast(&r->changed);
	}
	if (r->input_ended && !r->input.len && !r->dead_input) {
		encode(r, &(struct wire_frame){.type = WIRE_STDIN});
		r->dead_input = true;
	}
	pthread_mutex_unlock(&r->lock);
}

static bool send_all(struct run *r)
{
	while (r->out.len) {
		ssize_t n = r->ch->ops->send(r->ch, r->out.data, r->out.len);

		if (n == -EAGAIN)
			return true;
		if (n <= 0)
			return false;
		r->out.len -= (size_t)n;
		memmove(r->out.data, r->out.data + n, r->out.len);
	}
	return true;
}

/* Kills it at its deadline. Returns how long to wait. */
static int watch_the_clock(struct run *r)
{
	int64_t left = r->deadline - clock_now(clock_system());

	if (r->deadline == INT64_MAX)
		return -1;
	if (left > 0)
		return left < INT32_MAX ? (int)left + 1 : INT32_MAX;
	pthread_mutex_lock(&r->lock);
	r->signal = SIGKILL;
	end_locked(r, RUN_LATE, 128 + SIGKILL);
	pthread_mutex_unlock(&r->lock);
	r->deadline = INT64_MAX;
	return 0;
}

/* Is there a reason to go on? */
static bool goes_on(struct run *r)
{
	bool ret;

	pthread_mutex_lock(&r->lock);
	ret = !r->cut && (r->end == RUN_RUNS || r->end == RUN_LATE);
	pthread_mutex_unlock(&r->lock);
	return ret;
}

static void *look_after(void *arg)
{
	struct run *r = arg;
	bool open = true;

	while (open && goes_on(r)) {
		int fds[2] = {r->wake, r->ch->ops->fd(r->ch)};
		int wait = watch_the_clock(r);
		bool full;

		gather(r);
		open = send_all(r);
		pthread_mutex_lock(&r->lock);
		full = run_is_full_locked(r);
		/* All was sent and there is more: nobody else would wake us for it. */
		if (r->input.len && !r->out.len)
			wait = 0;
		pthread_mutex_unlock(&r->lock);
		if (open && provider_poll(r->provider, fds, full ? 1 : 2, wait) < 0)
			break;
		run_unpoke(r->wake);
		open = drain(r) && open;
	}
	pthread_mutex_lock(&r->lock);
	end_locked(r, RUN_LOST, 0);
	pthread_mutex_unlock(&r->lock);
	r->ch->ops->close(r->ch);
	r->ch = NULL;
	provider_free(r->provider);
	r->provider = NULL;
	run_unref(r);
	return NULL;
}

struct run *run_ref(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	r->refs++;
	pthread_mutex_unlock(&r->lock);
	return r;
}

static void run_free(struct run *r)
{
	if (r->ch)
		r->ch->ops->close(r->ch);
	provider_free(r->provider);
	for (size_t i = 0; i < r->n; i++)
		free(r->pieces[i].data);
	free(r->pieces);
	buf_deinit(&r->input);
	buf_deinit(&r->out);
	wire_stream_deinit(&r->in);
	close_p(&r->wake);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->tag);
	free(r->words);
	free(r);
}

void run_unref(struct run *r)
{
	bool last;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	last = !--r->refs;
	pthread_mutex_unlock(&r->lock);
	if (last)
		run_free(r);
}

struct opening {
	const char *id;
	struct channel *ch;
};

static int start_open(struct provider *p, void *arg, struct provider_call *c)
{
	struct opening *o = arg;

	return provider_agent_open(p, o->id, &o->ch, c);
}

static int add_words(struct buf *bytes, const char *const *words, struct wire_list *ret)
{
	int r = 0;

	for (ret->n = 0; words && words[ret->n] && !r; ret->n += !r)
		r = ret->n < UINT16_MAX ? wire_list_add(bytes, words[ret->n]) : -E2BIG;
	ret->p = bytes->data;
	ret->len = bytes->len;
	return r;
}

static int ask(struct run *r, const struct run_spec *spec)
{
	struct wire_frame f = {.type = WIRE_EXEC, .cwd = wire_str(spec->cwd ? spec->cwd : "")};
	struct buf argv, env;
	int err;

	buf_init(&argv, WIRE_DATA_MAX);
	buf_init(&env, WIRE_DATA_MAX);
	err = add_words(&argv, spec->argv, &f.argv);
	if (!err)
		err = add_words(&env, spec->env, &f.env);
	encode(r, &(struct wire_frame){.type = WIRE_HELLO, .version = WIRE_VERSION});
	f.id = RUN_ID;
	if (!err)
		err = wire_encode(&r->out, &f);
	buf_deinit(&argv);
	buf_deinit(&env);
	return err;
}

static struct run *run_new(const struct run_spec *spec)
{
	struct run *r = alloc_zero(sizeof(*r));
	pthread_condattr_t attr;

	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
	r->refs = 1;
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->keep = spec->keep;
	r->hold = spec->hold;
	r->terminal = spec->terminal;
	r->deadline =
		spec->deadline_ms ? clock_now(clock_system()) + spec->deadline_ms : INT64_MAX;
	r->tag = alloc_str(spec->tag);
	r->words = alloc_str(spec->words);
	buf_init(&r->input, INPUT_HIGH + WIRE_DATA_MAX);
	buf_init(&r->out, SEND_HIGH + 2 * (size_t)WIRE_FRAME_MAX);
	wire_stream_init(&r->in);
	return r;
}

int run_start(struct guest *g, const struct run_spec *spec, struct run **ret, char *why)
{
	struct opening o = {.id = g->inner};
	struct run *r = run_new(spec);
	pthread_t thread;
	int err;

	r->provider = guests_provider(g->all);
	err = r->provider ? provider_run(r->provider, start_open, &o, 0, NULL) : -EIO;
	r->ch = o.ch;
	if (err || (err = ask(r, spec))) {
		(void)snprintf(why, RUN_WHY_MAX, "%s",
			       err == -E2BIG || err == -EINVAL ? "argument list too long"
							       : provider_words(err));
		run_unref(r);
		return err == PROVIDER_ASLEEP || err == PROVIDER_GONE ? RUN_ASLEEP
								      : RUN_REFUSED;
	}
	(void)run_ref(r);
	if (pthread_create(&thread, NULL, look_after, r))
		abort();
	pthread_detach(thread);
	pthread_mutex_lock(&r->lock);
	while (!r->started && r->end == RUN_RUNS)
		pthread_cond_wait(&r->changed, &r->lock);
	err = r->started ? 0 : RUN_REFUSED;
	memcpy(why, r->why, RUN_WHY_MAX);
	pthread_mutex_unlock(&r->lock);
	if (err)
		run_unref(r);
	else
		*ret = r;
	return err;
}

uint32_t run_pid(const struct run *r)
{
	return r->pid;
}

const char *run_tag(const struct run *r)
{
	return r->tag;
}

const char *run_words(const struct run *r)
{
	return r->words;
}

bool run_is_terminal(const struct run *r)
{
	return r->terminal;
}

bool run_input(struct run *r, const void *data, size_t len)
{
	bool ok;

	pthread_mutex_lock(&r->lock);
	while (len && !r->dead_input) {
		size_t n = len < WIRE_DATA_MAX ? len : WIRE_DATA_MAX;

		if (r->input.len >= INPUT_HIGH) {
			pthread_cond_wait(&r->changed, &r->lock);
			continue;
		}
		if (buf_add(&r->input, data, n))
			break;
		data = (const char *)data + n;
		len -= n;
		run_poke(r->wake);
	}
	ok = !len && !r->dead_input;
	pthread_mutex_unlock(&r->lock);
	return ok;
}

void run_close_input(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	r->input_ended = true;
	run_poke(r->wake);
	pthread_mutex_unlock(&r->lock);
}

void run_signal(struct run *r, int number)
{
	pthread_mutex_lock(&r->lock);
	r->signal = number;
	if (number == SIGKILL || number == SIGTERM)
		r->sent_signal = number;
	run_poke(r->wake);
	pthread_mutex_unlock(&r->lock);
}

void run_note_signal(struct run *r, int number)
{
	pthread_mutex_lock(&r->lock);
	r->sent_signal = number;
	pthread_mutex_unlock(&r->lock);
}

void run_cut(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	r->cut = true;
	end_locked(r, RUN_LOST, 0);
	run_poke(r->wake);
	pthread_mutex_unlock(&r->lock);
}

enum run_end run_state(struct run *r, int *status, int *signal)
{
	enum run_end end;

	pthread_mutex_lock(&r->lock);
	end = r->end;
	if (status)
		*status = r->status;
	if (signal)
		*signal = r->sent_signal;
	pthread_mutex_unlock(&r->lock);
	return end;
}

int64_t run_ended_at(struct run *r)
{
	int64_t at;

	pthread_mutex_lock(&r->lock);
	at = r->ended_at;
	pthread_mutex_unlock(&r->lock);
	return at;
}
