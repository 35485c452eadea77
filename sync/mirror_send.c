/* Making R equal D: PLAN, SEND, APPLY, VERIFY.
 *
 * PLAN is the way of a clean sandbox (R = B): the difference of two trees of ours, O(changes). A sandbox with
 * changes of its own comes here from PULL with its plan made. SEND opens the journal's operation and streams
 * the actions as frames, reading each content when there is room for it; COMMIT and VERIFY go out behind them at
 * once, so that a switch is one round trip. APPLY and VERIFY wait for the two answers.
 *
 * When the agent refuses because something moved (MOVED, DRIFT) or does not add up (HASH), the answer is always a PULL:
 * it finds out what is there and saves it. When a content is not resident, everything is sent again with contents.
 */
#include "sync/mirror_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/judge.h"
#include "base/log.h"
#include "provider/agent/objcache.h"
#include "provider/provider.h"

enum { BEGIN, STREAM };

void mirror_transfer_end(struct mirror *m)
{
	if (m->send.viewing)
		m->source->ops->done(m->source, &m->send.view);
	plan_deinit(&m->send.plan);
	oidmap_deinit(&m->send.in_place);
	m->send = (struct transfer){0};
	oidmap_init(&m->send.in_place);
}

static int gather_change(const struct diff_change *c, void *arg)
{
	struct mirror *m = arg;
	struct plan_entry was = {.mode = c->old_mode, .oid = c->old_oid};
	struct plan_entry is = {.mode = c->new_mode, .oid = c->new_oid};
	size_t len = strlen(c->path);
	int r = 0;

	if (judge_path(c->path, len) != JUDGE_FINE ||
	    (is.mode && judge_entry("x", 1, is.mode) != JUDGE_FINE)) {
		m->n_refused++;
		return 0;
	}
	if (was.mode)
		flat_add(&m->base, c->path, len, &was);
	if (!is.mode)
		return 0;
	if (is.mode != MODE_GITLINK)
		r = m->source->ops->size(m->source, &is.oid, &is.size);
	flat_add(&m->desired, c->path, len, &is);
	return r;
}

int mirror_step_plan(struct mirror *m)
{
	struct plan plan;
	struct plan_input in = {.policy = PLAN_SWITCH};
	int r;

	mirror_forget_plan(m);
	m->n_refused = 0;
	r = m->source->ops->diff(m->source, &m->rec.base, &m->tree, gather_change, m);
	if (r < 0)
		return r;
	/* A tree that cannot be had, or not as it is: PULL compares with what there is. */
	if (r || m->n_refused || !flat_is_sorted(&m->base) || !flat_is_sorted(&m->desired)) {
		mirror_enter(m, MIRROR_PULL);
		return 1;
	}
	in.base = in.remote = flat_side(&m->base);
	in.desired = flat_side(&m->desired);
	plan_make(&in, &plan);
	if (!plan.n_actions) {
		plan_deinit(&plan);
		mirror_enter(m, MIRROR_PULL);
		return 1;
	}
	return mirror_send_plan(m, &plan, &m->rec.observed, &m->tree);
}

static bool was_here_before(const struct mirror *m)
{
	for (size_t i = 0; i < STATE_RECENT_MAX && !oid_is_zero(&m->rec.recent[i]); i++)
		if (oid_eq(&m->rec.recent[i], &m->tree))
			return true;
	return false;
}

static void note_in_place(struct oidmap *map, const struct flat *files)
{
	for (size_t i = 0; i < files->n; i++)
		(void)oidmap_add(map, &files->entries[i].oid, 0);
}

int mirror_send_plan(struct mirror *m, struct plan *plan, const struct oid *from,
		     const struct oid *to)
{
	struct provider_caps caps = provider_caps(m->provider);
	struct choice_input in = {
		.n_changes = plan->n_actions,
		.bytes = plan->bytes,
		.bytes_away = was_here_before(m) ? 0 : plan->bytes,
		.caps = caps.flags,
		.argv_limit = caps.argv_limit,
		.resident_refused = m->resident_refused,
		.rtt_us = m->rtt_us,
		.bytes_per_s = m->bytes_per_s,
	};
	struct oid keep_from = *from, keep_to = *to;
	struct choice choice;

	mirror_transfer_end(m);
	m->send.plan = *plan;
	m->send.from = keep_from;
	m->send.to = keep_to;
	choice_make(&in, &choice);
	if (!choice.found)
		return mirror_settle(m, MIRROR_HALTED, "nothing can be sent: %s",
				     choice.ways[CHOICE_STREAM].because);
	m->plan_kind = choice.kind;
	m->send.resident = choice.kind == CHOICE_RESIDENT;
	if (m->send.resident) {
		note_in_place(&m->send.in_place, &m->base);
		note_in_place(&m->send.in_place, &m->remote);
	}
	m->files_done = m->bytes_done = 0;
	m->files_total = plan->n_actions;
	m->bytes_total = m->send.resident ? 0 : plan->bytes;
	mirror_enter(m, MIRROR_SEND);
	m->ceiling = m->deadline + (int64_t)(plan->bytes / MIRROR_BYTES_PER_MS);
	return 1;
}

/* The operation is durable before the first byte leaves. */
static int begin(struct mirror *m)
{
	struct transfer *t = &m->send;
	struct wire_frame f = {
		.type = WIRE_APPLY,
		.from = t->from,
		.to = t->to,
		.n_changes = (uint32_t)t->plan.n_actions,
		.flags = t->resident ? WIRE_APPLY_RESIDENT : 0,
	};
	int r;

	m->op = (struct state_op){
		.project_id = m->rec.project_id,
		.from = t->from,
		.to = m->tree,
		.plan = m->plan_kind,
		.attempt = m->attempt,
		.started = clock_wall(m->clock),
	};
	r = m->source->ops->op_open(m->source, &m->op);
	if (r)
		return r;
	m->op_open = true;
	t->id = mirror_ask(m, &f);
	t->began_ns = m->asked_ns;
	m->part = STREAM;
	return 1;
}

/* The next bytes of the file being viewed, at most a frame's; -ENODATA when the cache file is shorter than it was. */
static int put_bytes(struct mirror *m, struct wire_frame *f)
{
	CLEANUP(free_p) char *bytes = NULL;
	struct transfer *t = &m->send;
	size_t len = t->view.len - t->view_at;
	ssize_t n;
	int r;

	if (len > WIRE_DATA_MAX)
		len = WIRE_DATA_MAX;
	if (t->view.data) {
		f->data = wire_data((const char *)t->view.data + t->view_at, len);
	} else if (len) {
		bytes = malloc(len);
		n = bytes ? pread(t->view.fd, bytes, len, (off_t)t->view_at) : -1;
		if (n != (ssize_t)len)
			return bytes ? -ENODATA : -ENOMEM;
		f->data = wire_data(bytes, len);
	}
	f->id = t->id;
	r = talk_put(&m->talk, f);
	t->view_at += len;
	m->bytes_done += len;
	return r;
}

static void end_file(struct mirror *m)
{
	struct transfer *t = &m->send;

	if (t->viewing)
		m->source->ops->done(m->source, &t->view);
	t->viewing = false;
	t->at++;
	m->files_done++;
}

/* The agent's cache has what was replaced, not what still stands in place, links, or the largest files. */
static bool is_cached(const struct transfer *t, const struct plan_action *a)
{
	return t->resident && a->kind == PLAN_PUT && a->entry.size <= OBJCACHE_FILE &&
	       !oidmap_find(&t->in_place, &a->entry.oid);
}

static int put_file(struct mirror *m, const struct plan_action *a)
{
	struct transfer *t = &m->send;
	bool named = is_cached(t, a);
	struct wire_frame f = {
		.type = WIRE_FILE,
		.id = t->id,
		.mode = a->entry.mode,
		.oid = a->entry.oid,
		.size = a->entry.size,
		.source = WIRE_INLINE,
		.path = wire_str(a->entry.path),
	};
	int r;

	if (a->entry.mode == MODE_GITLINK || named) {
		f.source = named ? WIRE_CACHED : WIRE_INLINE;
		r = talk_put(&m->talk, &f);
		end_file(m);
		return r;
	}
	r = m->source->ops->view(m->source, &a->entry.oid, &t->view);
	if (r)
		return r;
	t->viewing = true;
	t->view_at = 0;
	f.size = t->view.len;
	r = put_bytes(m, &f);
	if (!r && t->view_at == t->view.len)
		end_file(m);
	return r;
}

static int put_action(struct mirror *m)
{
	struct transfer *t = &m->send;
	const struct plan_action *a = &t->plan.actions[t->at];
	int r;

	if (t->viewing) {
		r = put_bytes(m, &(struct wire_frame){.type = WIRE_MORE});
		if (!r && t->view_at == t->view.len)
			end_file(m);
		return r;
	}
	if (a->kind != PLAN_REMOVE)
		return put_file(m, a);
	r = talk_put(&m->talk, &(struct wire_frame){.type = WIRE_REMOVE,
						    .id = t->id,
						    .path = wire_str(a->entry.path)});
	end_file(m);
	return r;
}

static void put_commit(struct mirror *m)
{
	struct transfer *t = &m->send;

	if (t->committed)
		return;
	(void)talk_put(&m->talk, &(struct wire_frame){.type = WIRE_COMMIT, .id = t->id});
	t->committed = true;
}

/* What cannot be read here cannot be sent: say which, and leave the sandbox as it is. */
static int settle_unreadable(struct mirror *m)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%.100s",
		       m->send.plan.actions[m->send.at].entry.path);
	return mirror_settle(m, MIRROR_HALTED,
			     "the content of '%s' is missing from the store; `frag fsck` says "
			     "more",
			     path);
}

/* The agent said no. */
static int take_refusal(struct mirror *m, const struct wire_frame *f)
{
	int len = (int)(f->message.len < 150 ? f->message.len : 150);

	/* It skips what is left of the apply, up to its end. */
	put_commit(m);
	log_debug("sync: sandbox '%s': %s: %.*s", m->rec.id, wire_error_words(f->code), len,
		  f->message.p);
	switch ((enum wire_error)f->code) {
	case WIRE_E_MOVED:
	case WIRE_E_DRIFT:
	case WIRE_E_HASH:
		m->doubt = true;
		mirror_enter(m, MIRROR_PULL);
		return 1;
	case WIRE_E_NOT_RESIDENT:
		if (m->resident_refused)
			break;
		m->resident_refused = true;
		m->send.resident = m->send.committed = m->send.verify_sent = false;
		m->send.at = 0;
		m->plan_kind = CHOICE_STREAM;
		m->files_done = m->bytes_done = 0;
		m->bytes_total = m->send.plan.bytes;
		mirror_enter(m, MIRROR_SEND);
		m->ceiling = m->deadline + (int64_t)(m->send.plan.bytes / MIRROR_BYTES_PER_MS);
		return 1;
	case WIRE_E_PATH:
		return mirror_settle(m, MIRROR_HALTED, "the sandbox refuses '%.*s'", len,
				     f->message.p);
	case WIRE_E_PROTOCOL:
	case WIRE_E_IO:
	case WIRE_E_EXEC:
	case WIRE_E_MISSING:
	case WIRE_E_BUSY:
		break;
	}
	mirror_fail(m, "%s: %.*s", wire_error_words(f->code), len, f->message.p);
	return 1;
}

/* An answer to the apply, in SEND or APPLY. */
static int take_answer(struct mirror *m)
{
	struct wire_frame f;
	int r = mirror_hear(m, m->send.id, &f);
	uint64_t us, bytes = m->bytes_done;

	if (r != 1)
		return r;
	if (f.type == WIRE_ERROR)
		return take_refusal(m, &f);
	if (f.type != WIRE_APPLIED || m->state != MIRROR_APPLY) {
		mirror_bewildered(m, &f);
		return 1;
	}
	us = (uint64_t)(clock_ns() - m->send.began_ns) / 1000;
	m->apply_us = f.apply_us;
	us = us > f.apply_us + m->rtt_us ? us - f.apply_us - m->rtt_us : 1;
	if (bytes >= 65536)
		m->bytes_per_s = choice_ewma(m->bytes_per_s, bytes * 1000000 / us + 1);
	mirror_enter(m, MIRROR_VERIFY);
	m->part = 1;
	return 1;
}

int mirror_step_send(struct mirror *m)
{
	struct transfer *t = &m->send;
	bool moved = false;
	int r;

	if (m->part == BEGIN)
		return begin(m);
	while (t->at < t->plan.n_actions && talk_has_room(&m->talk)) {
		r = put_action(m);
		if (r == SOURCE_MISSING)
			return settle_unreadable(m);
		if (r)
			return r;
		moved = true;
	}
	if (t->at == t->plan.n_actions && !t->verify_sent) {
		put_commit(m);
		t->verify_id = mirror_ask(m, &(struct wire_frame){.type = WIRE_VERIFY});
		t->verify_sent = true;
	}
	moved |= talk_flush(&m->talk);
	if (moved)
		mirror_alive(m);
	if (t->verify_sent && talk_is_flushed(&m->talk)) {
		mirror_enter(m, MIRROR_APPLY);
		return 1;
	}
	r = take_answer(m);
	return r ? r : moved;
}

int mirror_step_apply(struct mirror *m)
{
	return take_answer(m);
}

static void ask_to_verify(struct mirror *m)
{
	bool full = m->doubt || m->op_open;

	m->send.to = m->rec.observed;
	m->send.verify_id =
		mirror_ask(m, &(struct wire_frame){.type = WIRE_VERIFY,
						   .flags = full ? WIRE_VERIFY_FULL : 0});
	m->part = 2;
}

/* After an apply of ours: everything is as it should be, or somebody else was at it meanwhile. */
static int verified_apply(struct mirror *m, const struct wire_frame *f)
{
	if (!oid_eq(&f->tree, &m->send.to)) {
		m->doubt = true;
		mirror_enter(m, MIRROR_PULL);
		return 1;
	}
	if (!m->send.plan.n_kept && !m->send.plan.n_blocked)
		return mirror_settle_synced(m, &f->tree);
	m->rec.base = m->tree;
	m->rec.base_commit = m->head;
	m->rec.observed = f->tree;
	m->rec.verified = clock_wall(m->clock);
	m->rec.phase = MIRROR_CONFLICT;
	m->trusted = true;
	if (m->op_open) {
		int r = m->source->ops->op_close(m->source, &m->op, &m->rec);

		if (r)
			return r;
	}
	m->op_open = false;
	return mirror_settle_conflict(m);
}

/* Without an apply of this run: did an interrupted one arrive, is all as it was left? */
static int verified_state(struct mirror *m, const struct wire_frame *f)
{
	bool arrived = m->op_open && oid_eq(&f->tree, &m->op.to);
	int r;

	if (!arrived && !oid_eq(&f->tree, &m->rec.observed)) {
		mirror_enter(m, MIRROR_PULL);
		return 1;
	}
	if (m->op_open) {
		if (arrived)
			m->rec.base = m->rec.observed = f->tree;
		if (arrived && oid_eq(&m->op.to, &m->tree))
			m->rec.base_commit = m->head;
		r = m->source->ops->op_close(m->source, &m->op, &m->rec);
		if (r)
			return r;
		m->op_open = false;
	}
	m->trusted = true;
	m->doubt = false;
	if (oid_eq(&m->rec.base, &m->tree) && oid_eq(&m->rec.base, &m->rec.observed))
		return mirror_settle_synced(m, &f->tree);
	mirror_enter(m, MIRROR_DUE);
	return 1;
}

int mirror_step_verify(struct mirror *m)
{
	struct wire_frame f;
	int r;

	if (!m->part) {
		ask_to_verify(m);
		return 1;
	}
	r = mirror_hear(m, m->send.verify_id, &f);
	if (r != 1)
		return r;
	if (f.type != WIRE_VERIFIED) {
		mirror_bewildered(m, &f);
		return 1;
	}
	return m->part == 1 ? verified_apply(m, &f) : verified_state(m, &f);
}
