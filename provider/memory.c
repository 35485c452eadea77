/* The memory provider: sandboxes that are maps.
 *
 * The reference of provider.h and the double of every test above it. Verbs take effect when they are called and are
 * answered from provider_poll(), as a real provider's are; between the two a test may delay, lose or falsify the
 * answer. Contents are held once in a store by object id, since fragments, caches and several sandboxes share
 * them. The agent inside a sandbox is memory_agent.c.
 *
 * It keeps everything in memory, runs nothing, and is for one thread.
 */
#include "provider/memory_private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sha1.h"

enum { DEFAULT_DEADLINE_MS = 30000 };

static const char root[] = "/project/";

enum { MEMORY_FILE_MAX = 256 << 20 };

/* Bytes of a put on their way in, or of a fetch on their way out. */
struct memory_transfer {
	struct memory_map *map;
	char *name;
	uint32_t mode;
	ssize_t (*on_read)(struct provider_call *c, void *data, size_t cap);
	struct buf bytes;
	struct provider_sink *sink;
	struct oid oid; /* of the fetched */
};

/* A call that was made and whose `done` is still owed. */
struct memory_pending {
	struct provider_call *call;
	int result;
	int64_t due, deadline;
	struct provider_page *page; /* to be filled when it is due */
	struct memory_transfer *transfer;
	struct memory_pending *next;
};

static struct memory *memory_of(struct provider *p)
{
	return (struct memory *)(void *)p;
}

struct memory_fate memory_ask(struct memory *m, enum memory_event event, unsigned what)
{
	struct memory_fate fate = {.verdict = MEMORY_GO};

	if (m->fate)
		m->fate(event, what, &fate, m->fate_arg);
	return fate;
}

static struct memory_box *box_find(const struct memory *m, const char *id)
{
	for (struct memory_box *b = m->boxes; b; b = b->next)
		if (!b->gone && strcmp(b->info.id, id) == 0)
			return b;
	return NULL;
}

static struct memory_box *box_of(const struct provider *p, const char *id)
{
	return box_find((const struct memory *)(const void *)p, id);
}

static int box_awake(const struct memory *m, const char *id, struct memory_box **ret)
{
	struct memory_box *b = box_find(m, id);

	if (!b)
		return PROVIDER_GONE;
	if (b->info.state != PROVIDER_RUNNING)
		return PROVIDER_ASLEEP;
	*ret = b;
	return 0;
}

/* Owes `c` an answer, which is returned when the verb is to be carried out. */
static struct memory_pending *owe_later(struct memory *m, char verb, struct provider_call *c,
					int result)
{
	struct memory_fate fate = memory_ask(m, MEMORY_CALL, (unsigned char)verb);
	struct memory_pending *p = alloc_zero(sizeof(*p)), **end = &m->pending;
	int64_t now = clock_now(m->clock);

	*p = (struct memory_pending){
		.call = c,
		.result = result,
		.due = now,
		.deadline = now + (c->deadline_ms ? c->deadline_ms : DEFAULT_DEADLINE_MS),
	};
	if (fate.verdict == MEMORY_FAIL || fate.verdict == MEMORY_FAIL_DONE)
		p->result = fate.result;
	if (fate.verdict == MEMORY_DELAY)
		p->due = now + fate.delay_ms;
	if (fate.verdict == MEMORY_DROP)
		p->due = INT64_MAX;
	while (*end)
		end = &(*end)->next;
	*end = p;
	return !result && fate.verdict != MEMORY_FAIL && fate.verdict != MEMORY_DROP ? p : NULL;
}

static bool owe(struct memory *m, char verb, struct provider_call *c, int result)
{
	return owe_later(m, verb, c, result) != NULL;
}

static void memory_caps(struct provider *p, struct provider_caps *ret)
{
	*ret = (struct provider_caps){.flags = PROVIDER_CAP_AGENT | PROVIDER_CAP_PAUSE |
					       PROVIDER_CAP_STOP | PROVIDER_CAP_LABELS |
					       PROVIDER_CAP_LIFETIME | PROVIDER_CAP_STREAMS |
					       PROVIDER_CAP_IMAGE};
}

static void reset_box(struct memory *m, struct memory_box *b)
{
	memory_sessions_cut(m, b);
	memory_map_deinit(&b->files);
	memory_map_deinit(&b->outside);
	memory_map_deinit(&b->applied);
	memory_map_tree(&b->applied, &b->current);
	memset(b->epoch, 0, sizeof(b->epoch));
	b->info.state = PROVIDER_RUNNING;
}

static int memory_create(struct provider *p, const struct provider_spec *spec,
			 struct provider_sandbox *ret, struct provider_call *c)
{
	struct memory *m = memory_of(p);
	struct provider_sandbox info = {0};
	struct memory_box *b;
	struct buf id;

	if (!provider_labels_set(&info, spec->labels))
		return PROVIDER_REFUSED;
	if (!owe(m, 'c', c, 0))
		return 0;
	b = alloc_zero(sizeof(*b));
	b->info = info;
	reset_box(m, b);
	buf_init(&id, sizeof(b->info.id) - 1);
	if (!buf_fmt(&id, "memory-%llu", (unsigned long long)++m->n_boxes))
		memcpy(b->info.id, id.data, id.len + 1);
	buf_deinit(&id);
	buf_init(&id, sizeof(b->info.label) - 1);
	if (!buf_str(&id, spec->label ? spec->label : ""))
		memcpy(b->info.label, id.data, id.len + 1);
	buf_deinit(&id);
	b->info.created = clock_wall(m->clock);
	b->info.idle_seconds = spec->idle_seconds;
	b->info.expires = spec->total_seconds ? b->info.created + spec->total_seconds : 0;
	(void)snprintf(b->info.image, sizeof(b->info.image), "%s",
		       spec->image ? spec->image : "");
	b->next = m->boxes;
	m->boxes = b;
	*ret = b->info;
	return 0;
}

static int memory_get(struct provider *p, const char *id, struct provider_sandbox *ret,
		      struct provider_call *c)
{
	struct memory *m = memory_of(p);
	const struct memory_box *b = box_find(m, id);

	if (owe(m, 'g', c, b ? 0 : PROVIDER_GONE))
		*ret = b->info;
	return 0;
}

static int memory_list(struct provider *p, struct provider_page *page, struct provider_call *c)
{
	struct memory *m = memory_of(p);
	struct memory_pending *owed = owe_later(m, 'L', c, 0);

	if (owed)
		owed->page = page;
	return 0;
}

/* Newest first; a page goes on below the id that ended the one before. */
static int list_page(const struct memory *m, struct provider_page *page)
{
	const struct memory_box *b = m->boxes;
	uint32_t n = 0;
	int r = 0;

	while (page->after && b && strcmp(b->info.id, page->after) != 0)
		b = b->next;
	for (b = page->after && b ? b->next : b; b && !r; b = b->next) {
		if (b->gone || !provider_labels_match(&b->info, page->labels))
			continue;
		r = page->fn(&b->info, page->arg);
		if (++n == page->limit && b->next) {
			memcpy(page->next, b->info.id, sizeof(b->info.id));
			return r;
		}
	}
	return r;
}

static int set_state(struct provider *p, const char *id, char verb, enum provider_state state,
		     struct provider_call *c)
{
	struct memory *m = memory_of(p);
	struct memory_box *b = box_find(m, id);

	if (!owe(m, verb, c, b ? 0 : PROVIDER_GONE))
		return 0;
	b->info.state = state;
	if (state != PROVIDER_RUNNING)
		memory_sessions_cut(m, b);
	return 0;
}

static int memory_start(struct provider *p, const char *id, struct provider_call *c)
{
	return set_state(p, id, 's', PROVIDER_RUNNING, c);
}

static int memory_stop(struct provider *p, const char *id, struct provider_call *c)
{
	return set_state(p, id, 'S', PROVIDER_STOPPED, c);
}

static int memory_pause(struct provider *p, const char *id, struct provider_call *c)
{
	return set_state(p, id, 'p', PROVIDER_PAUSED, c);
}

static int memory_resume(struct provider *p, const char *id, struct provider_call *c)
{
	return set_state(p, id, 'r', PROVIDER_RUNNING, c);
}

static int memory_delete(struct provider *p, const char *id, struct provider_call *c)
{
	struct memory *m = memory_of(p);
	struct memory_box *b = box_find(m, id);

	if (!owe(m, 'd', c, 0) || !b)
		return 0;
	reset_box(m, b);
	b->gone = true;
	return 0;
}

static int memory_keep_alive(struct provider *p, const char *id, int64_t seconds,
			     struct provider_call *c)
{
	struct memory *m = memory_of(p);
	struct memory_box *b = NULL;

	if (owe(m, 'k', c, box_awake(m, id, &b)))
		b->info.expires = clock_wall(m->clock) + seconds;
	return 0;
}

/* A path of the sandbox → the map that holds it, and its name there. */
static struct memory_map *map_of(struct memory_box *b, const char *path, const char **name)
{
	size_t len = sizeof(root) - 1;

	if (strncmp(path, root, len) != 0) {
		*name = path;
		return &b->outside;
	}
	*name = path + len;
	return &b->files;
}

static int memory_put(struct provider *p, const char *id, const struct provider_file *file,
		      struct provider_call *c)
{
	struct memory *m = memory_of(p);
	struct memory_box *b = NULL;
	struct memory_pending *owed = owe_later(m, 'P', c, box_awake(m, id, &b));
	uint32_t mode = file->mode & 0111 ? 0100755 : 0100644;
	struct memory_transfer *t;
	struct memory_map *map;
	const char *name;
	struct oid oid;

	if (!owed)
		return 0;
	map = map_of(b, file->path, &name);
	if (!file->on_read) {
		memory_keep(m, file->data, file->len, &oid);
		memory_map_put(map, name, mode, &oid);
		return 0;
	}
	t = alloc_zero(sizeof(*t));
	t->map = map;
	t->name = alloc_str(name);
	t->mode = mode;
	t->on_read = file->on_read;
	buf_init(&t->bytes, MEMORY_FILE_MAX);
	owed->transfer = t;
	return 0;
}

static int memory_fetch(struct provider *p, const char *id, struct provider_sink *to,
			struct provider_call *c)
{
	struct memory *m = memory_of(p);
	struct memory_box *b = NULL;
	const struct memory_file *f = NULL;
	struct memory_pending *owed;
	const char *name = to->path;
	int r = box_awake(m, id, &b);

	if (!r) {
		const struct memory_map *map = map_of(b, to->path, &name);

		f = memory_map_find(map, name);
	}
	if (!r && !f)
		r = PROVIDER_REFUSED;
	owed = owe_later(m, 'F', c, r);
	if (owed) {
		owed->transfer = alloc_zero(sizeof(*owed->transfer));
		owed->transfer->sink = to;
		owed->transfer->oid = f->oid;
		to->mode = f->mode & 07777;
	}
	return 0;
}

static void transfer_free(struct memory_transfer *t)
{
	if (!t)
		return;
	buf_deinit(&t->bytes);
	free(t->name);
	free(t);
}

/* All there is to read. 0, -EAGAIN or the caller's fault. */
static int pull(struct memory_transfer *t, struct provider_call *c)
{
	char chunk[4096];
	ssize_t n = t->on_read(c, chunk, sizeof(chunk));

	for (; n > 0; n = t->on_read(c, chunk, sizeof(chunk)))
		if (buf_add(&t->bytes, chunk, (size_t)n))
			return PROVIDER_REFUSED;
	return (int)n;
}

static int carry_out(struct memory *m, struct memory_pending *p)
{
	struct memory_transfer *t = p->transfer;
	struct oid oid;
	int r;

	if (p->page)
		return list_page(m, p->page);
	if (!t)
		return 0;
	if (t->sink) {
		const struct memory_content *have = memory_content(m, &t->oid);

		return t->sink->on_write ? t->sink->on_write(p->call, have->data, have->len)
					 : buf_add(t->sink->into, have->data, have->len);
	}
	r = pull(t, p->call);
	if (!r) {
		memory_keep(m, t->bytes.data, t->bytes.len, &oid);
		memory_map_put(t->map, t->name, t->mode, &oid);
	}
	return r;
}

static int memory_agent_open(struct provider *p, const char *id, struct channel **ret,
			     struct provider_call *c)
{
	struct memory *m = memory_of(p);
	struct memory_box *b = NULL;

	if (owe(m, 'a', c, box_awake(m, id, &b)))
		*ret = memory_session_new(m, b);
	return 0;
}

static int memory_cancel(struct provider *p, struct provider_call *c)
{
	struct memory *m = memory_of(p);

	for (struct memory_pending *at = m->pending; at; at = at->next)
		if (at->call == c) {
			at->result = -ECANCELED;
			at->due = 0;
		}
	return 0;
}

static void memory_more(struct provider *p, struct provider_call *c)
{
	for (struct memory_pending *at = memory_of(p)->pending; at; at = at->next)
		if (at->call == c && at->transfer)
			at->due = 0;
}

/* Takes the first answer that is due off the list; NULL when none is. */
static struct memory_pending *due_call(struct memory *m, int64_t now)
{
	for (struct memory_pending **at = &m->pending; *at; at = &(*at)->next) {
		struct memory_pending *p = *at;

		if (p->due > now && p->deadline > now)
			continue;
		if (p->due > now)
			p->result = -ETIMEDOUT;
		*at = p->next;
		return p;
	}
	return NULL;
}

static int answer(struct memory *m)
{
	int64_t now = clock_now(m->clock);
	struct memory_pending *p;
	int n = 0;

	while ((p = due_call(m, now))) {
		struct provider_call *c = p->call;
		int result = p->result ? p->result : carry_out(m, p);

		if (result == -EAGAIN) {
			/* Its callback will be asked again after provider_more(). */
			p->due = INT64_MAX;
			p->next = m->pending;
			m->pending = p;
			continue;
		}
		transfer_free(p->transfer);
		free(p);
		c->done(c, result);
		n++;
	}
	return n;
}

static int64_t next_due(const struct memory *m)
{
	int64_t due = memory_sessions_due(m);

	for (const struct memory_pending *p = m->pending; p; p = p->next) {
		if (p->due < due)
			due = p->due;
		if (p->deadline < due)
			due = p->deadline;
	}
	return due;
}

static size_t memory_waits(struct provider *p, struct pollfd *fds, size_t cap, int *wait_ms)
{
	struct memory *m = memory_of(p);
	int64_t wait = next_due(m);

	if (m->sessions)
		wait = 0; /* whether an agent has work is known by letting it work */
	if (wait == INT64_MAX)
		return 0;
	wait = wait > clock_now(m->clock) ? wait - clock_now(m->clock) : 0;
	if (*wait_ms < 0 || wait < *wait_ms)
		*wait_ms = wait > INT32_MAX ? INT32_MAX : (int)wait;
	return 0;
}

static int memory_poll(struct provider *p, const int *fds, size_t n_fds, int timeout_ms)
{
	struct memory *m = memory_of(p);
	bool worked = memory_sessions_step(m);
	int n = answer(m);
	struct pollfd *pfds;
	int64_t wait;

	if (n || worked || !timeout_ms)
		return n;
	wait = next_due(m);
	if (wait != INT64_MAX) {
		wait -= clock_now(m->clock);
		wait = wait < 0 ? 0 : wait;
	}
	if (timeout_ms < 0 || wait < timeout_ms)
		timeout_ms = wait > INT32_MAX ? -1 : (int)wait;
	pfds = alloc_array(n_fds + 1, sizeof(*pfds));
	for (size_t i = 0; i < n_fds; i++)
		pfds[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	(void)poll(pfds, n_fds, timeout_ms);
	free(pfds);
	memory_sessions_step(m);
	return answer(m);
}

static void memory_free(struct provider *p)
{
	struct memory *m = memory_of(p);

	memory_sessions_orphan(m);
	while (m->pending) {
		struct memory_pending *next = m->pending->next;

		transfer_free(m->pending->transfer);
		free(m->pending);
		m->pending = next;
	}
	while (m->boxes) {
		struct memory_box *next = m->boxes->next;

		memory_map_deinit(&m->boxes->files);
		memory_map_deinit(&m->boxes->outside);
		memory_map_deinit(&m->boxes->applied);
		free(m->boxes);
		m->boxes = next;
	}
	for (size_t i = 0; i < m->n_contents; i++)
		free(m->contents[i].data);
	free(m->contents);
	oidmap_deinit(&m->by_oid);
	free(m);
}

struct provider *provider_memory_new(const struct clock *clock)
{
	static const struct provider_ops ops = {
		.name = "memory",
		.free = memory_free,
		.caps = memory_caps,
		.create = memory_create,
		.get = memory_get,
		.list = memory_list,
		.start = memory_start,
		.stop = memory_stop,
		.pause = memory_pause,
		.resume = memory_resume,
		.delete = memory_delete,
		.keep_alive = memory_keep_alive,
		.put = memory_put,
		.fetch = memory_fetch,
		.agent_open = memory_agent_open,
		.cancel = memory_cancel,
		.more = memory_more,
		.waits = memory_waits,
		.poll = memory_poll,
	};
	struct memory *m = alloc_zero(sizeof(*m));

	m->provider.ops = &ops;
	m->clock = clock;
	oidmap_init(&m->by_oid);
	return &m->provider;
}

void memory_set_fate(struct provider *p, memory_fate_fn fn, void *arg)
{
	struct memory *m = memory_of(p);

	m->fate = fn;
	m->fate_arg = arg;
}

bool memory_write(struct provider *p, const char *id, const char *path, uint32_t mode,
		  const char *text)
{
	struct memory_box *b = box_of(p, id);
	struct oid oid;

	if (!b)
		return false;
	memory_keep(memory_of(p), text, strlen(text), &oid);
	memory_map_put(&b->files, path, mode, &oid);
	memory_sessions_changed(memory_of(p), b);
	return true;
}

bool memory_remove(struct provider *p, const char *id, const char *path)
{
	struct memory_box *b = box_of(p, id);

	if (!b || !memory_map_remove(&b->files, path))
		return false;
	memory_sessions_changed(memory_of(p), b);
	return true;
}

bool memory_read(struct provider *p, const char *id, const char *path, struct buf *ret,
		 uint32_t *mode)
{
	const struct memory_box *b = box_of(p, id);
	const struct memory_file *f = b ? memory_map_find(&b->files, path) : NULL;
	const struct memory_content *content = f ? memory_content(memory_of(p), &f->oid) : NULL;

	if (!content || buf_add(ret, content->data, content->len))
		return false;
	*mode = f->mode;
	return true;
}

void memory_each(struct provider *p, const char *id, memory_file_fn fn, void *arg)
{
	const struct memory_box *b = box_of(p, id);

	for (size_t i = 0; b && i < b->files.n; i++)
		fn(b->files.files[i].path, b->files.files[i].mode, &b->files.files[i].oid, arg);
}

bool memory_tree(struct provider *p, const char *id, struct oid *ret)
{
	const struct memory_box *b = box_of(p, id);
	struct memory_map counted = {0};

	if (!b)
		return false;
	memory_counted(b, &counted);
	memory_map_tree(&counted, ret);
	memory_map_deinit(&counted);
	return true;
}

bool memory_recreate(struct provider *p, const char *id)
{
	struct memory_box *b = box_of(p, id);

	if (b)
		reset_box(memory_of(p), b);
	return b != NULL;
}

bool memory_sleep(struct provider *p, const char *id)
{
	struct memory_box *b = box_of(p, id);

	if (!b)
		return false;
	b->info.state = PROVIDER_STOPPED;
	memory_sessions_cut(memory_of(p), b);
	return true;
}

void memory_evict(struct provider *p)
{
	struct memory *m = memory_of(p);

	for (size_t i = 0; i < m->n_contents; i++)
		m->contents[i].resident = false;
	for (struct memory_box *b = m->boxes; b; b = b->next)
		for (size_t i = 0; i < b->files.n; i++) {
			struct memory_content *c = memory_content(m, &b->files.files[i].oid);

			/* A submodule's id names no content. */
			if (c)
				c->resident = true;
		}
}

uint64_t memory_bytes_in(const struct provider *p)
{
	return ((const struct memory *)(const void *)p)->bytes_in;
}
