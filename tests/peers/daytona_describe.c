/* tests/peers/daytona_describe.c - a sandbox as Daytona shows it, and lists of them.
 *
 * The cursor is the serial number below which the next page starts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/peers/answer.h"
#include "tests/peers/daytona.h"
#include "tests/peers/peer_private.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 200 };

const char *daytona_state(struct guest *g)
{
	switch (guest_state(g)) {
	case GUEST_RUNNING:
		return "started";
	case GUEST_PAUSED:
		return "paused";
	case GUEST_STOPPED:
		return "stopped";
	case GUEST_ARCHIVED:
		return "archived";
	}
	return "unknown";
}

static int64_t number_of(const struct guest *g, const char *key, int64_t absent)
{
	(void)json_get_int(g->spec, key, &absent);
	return absent;
}

static void put_labels(struct json_out *o, struct guest *g)
{
	const struct json *labels = NULL;

	guests_lock(g->all);
	if (g->labels)
		(void)json_get(g->labels, "labels", &labels);
	else
		(void)json_get(g->spec, "labels", &labels);
	answer_map(o, "labels", labels);
	guests_unlock(g->all);
}

void daytona_describe(struct json_out *o, struct request *r, struct guest *g, bool whole,
		      const char *state)
{
	const struct json *env = NULL;
	const char *target = "local", *user = "daytona", *snapshot = "default";
	bool blocked = false;
	char url[96];
	struct guest_times t = guest_times(g);

	(void)json_get(g->spec, "env", &env);
	(void)json_get_str(g->spec, "target", &target);
	(void)json_get_str(g->spec, "user", &user);
	(void)json_get_str(g->spec, "snapshot", &snapshot);
	(void)json_get_bool(g->spec, "networkBlockAll", &blocked);
	(void)snprintf(url, sizeof(url), "%s/toolbox", r->peer->url);
	json_str_field(o, "id", g->id);
	json_str_field(o, "organizationId", "00000000-0000-4000-8000-000000000001");
	json_str_field(o, "name", g->name);
	json_str_field(o, "snapshot", snapshot);
	json_str_field(o, "user", user);
	if (whole)
		answer_map(o, "env", env);
	put_labels(o, g);
	guests_lock(g->all);
	json_bool_field(o, "public", g->is_public);
	json_int_field(o, "autoStopInterval", g->stop_minutes);
	json_int_field(o, "autoArchiveInterval", g->archive_minutes);
	json_int_field(o, "autoDeleteInterval", g->delete_minutes);
	guests_unlock(g->all);
	json_bool_field(o, "networkBlockAll", blocked);
	json_str_field(o, "target", target);
	json_int_field(o, "cpu", number_of(g, "cpu", 1));
	json_int_field(o, "gpu", 0);
	json_int_field(o, "memory", number_of(g, "memory", 1));
	json_int_field(o, "disk", number_of(g, "disk", 3));
	json_str_field(o, "state", state ? state : daytona_state(g));
	json_str_field(o, "desiredState", daytona_state(g));
	json_str_field(o, "backupState", "None");
	answer_time(o, "createdAt", t.created);
	answer_time(o, "updatedAt", t.changed);
	json_str_field(o, "sandboxClass", "container");
	json_str_field(o, "toolboxProxyUrl", url);
}

void daytona_send(struct request *r, struct guest *g, unsigned status, const char *state)
{
	struct answer a;

	answer_begin(&a, '{');
	daytona_describe(&a.out, r, g, true, state);
	answer_send(r, &a, '}', status);
}

static bool has_labels(struct guest *g, const struct json *want)
{
	const struct json *mine = NULL;
	bool ok = true;

	guests_lock(g->all);
	(void)json_get(g->labels ? g->labels : g->spec, "labels", &mine);
	for (const struct json *w = want ? json_first(want) : NULL; w && ok; w = json_next(w)) {
		const char *value;

		ok = mine && !json_get_str(mine, json_key(w), &value) && json_str(w) &&
		     !strcmp(value, json_str(w));
	}
	guests_unlock(g->all);
	return ok;
}

struct wanted_state {
	const char *name;
	bool any, hit;
};

static enum MHD_Result each_query(void *arg, enum MHD_ValueKind kind, const char *key,
				  const char *value)
{
	struct wanted_state *w = arg;

	if (strcmp(key, "states") && strcmp(key, "states[]"))
		return MHD_YES;
	w->any = true;
	w->hit = w->hit || (value && !strcmp(value, w->name));
	return MHD_YES;
}

static bool has_state(struct request *r, struct guest *g)
{
	struct wanted_state w = {.name = daytona_state(g)};

	(void)MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, each_query, &w);
	return !w.any || w.hit;
}

static bool starts_with(const char *text, const char *prefix)
{
	return !prefix || !strncasecmp(text, prefix, strlen(prefix));
}

static bool shows(struct request *r, struct guest *g, const struct json *labels)
{
	bool seen;

	guests_lock(g->all);
	seen = g->seen;
	guests_unlock(g->all);
	if (peer_has(r->peer, QUIRK_DAYTONA_LAZY_LIST) && !seen)
		return false;
	return starts_with(g->id, request_query(r, "id")) &&
	       starts_with(g->name, request_query(r, "name")) && has_state(r, g) &&
	       has_labels(g, labels);
}

struct page {
	const struct json *labels;
	uint64_t before;
	size_t limit, skip;
};

/* Puts one page; the serial number to start the next at, or 0; `total` is how many there are on all pages. */
static uint64_t put_page(struct json_out *o, struct request *r, const struct page *p,
			 size_t *total)
{
	struct guest **all;
	size_t n = guests_snapshot(r->peer->guests, GUEST_DAYTONA, &all), put = 0;
	uint64_t next = 0;

	*total = 0;
	json_key_out(o, "items");
	json_begin(o, '[');
	for (size_t i = 0; i < n; i++) {
		if (all[i]->serial < p->before && shows(r, all[i], p->labels)) {
			++*total;
			if (put == p->limit && !next)
				next = all[i]->serial + 1;
			if (*total > p->skip && put < p->limit) {
				json_begin(o, '{');
				daytona_describe(o, r, all[i], false, NULL);
				json_end(o, '}');
				put++;
			}
		}
		guest_unref(all[i]);
	}
	json_end(o, ']');
	free(all);
	return next;
}

/* The filter, owned by the request. False: refused. */
static bool read_labels(struct request *r, const struct json **ret)
{
	const char *text = request_query(r, "labels");
	char why[128];

	*ret = NULL;
	if (!text || !*text)
		return true;
	if (!json_parse(text, strlen(text), &r->json, why, sizeof(why)) &&
	    json_is_object(r->json)) {
		*ret = r->json;
		return true;
	}
	daytona_error(r, 400, "labels must be a JSON object");
	return false;
}

void daytona_list(struct request *r)
{
	const char *cursor = request_query(r, "cursor");
	int64_t limit = request_query_int(r, "limit", PAGE_DEFAULT);
	struct page p = {.before = UINT64_MAX};
	uint64_t next;
	struct answer a;
	size_t total;
	char text[32], *end;

	if (limit < 1 || limit > PAGE_MAX) {
		daytona_error(r, 400, "limit must be 1 to 200");
		return;
	}
	p.limit = (size_t)limit;
	if (cursor && *cursor) {
		p.before = strtoull(cursor, &end, 10);
		if (*end) {
			daytona_error(r, 400, "Invalid cursor");
			return;
		}
	}
	if (!read_labels(r, &p.labels))
		return;
	answer_begin(&a, '{');
	next = put_page(&a.out, r, &p, &total);
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)next);
	json_str_field(&a.out, "nextCursor", next ? text : NULL);
	answer_send(r, &a, '}', 200);
}

void daytona_list_pages(struct request *r)
{
	int64_t limit = request_query_int(r, "limit", PAGE_DEFAULT),
		page = request_query_int(r, "page", 1);
	struct page p = {.before = UINT64_MAX};
	struct answer a;
	size_t total;

	if (limit < 1 || limit > PAGE_MAX || page < 1 || page > INT32_MAX) {
		daytona_error(r, 400, "page and limit must be positive numbers");
		return;
	}
	if (!read_labels(r, &p.labels))
		return;
	p.limit = (size_t)limit;
	p.skip = (size_t)((page - 1) * limit);
	answer_begin(&a, '{');
	(void)put_page(&a.out, r, &p, &total);
	json_int_field(&a.out, "total", (int64_t)total);
	json_int_field(&a.out, "page", page);
	json_int_field(&a.out, "totalPages", ((int64_t)total + limit - 1) / limit);
	answer_send(r, &a, '}', 200);
}
