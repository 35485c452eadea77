/* tests/peers/e2b_list.c - listing sandboxes, page by page.
 *
 * Newest first. The token of the next page is the serial number below which it starts; the header
 * that carries it is absent on the last page. A metadata filter is decoded three times, as the real server does:
 * once as a query, once as a whole, once per key and value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/peers/answer.h"
#include "tests/peers/e2b.h"
#include "tests/peers/peer_private.h"

enum { PAGE_MAX = 100, FILTER_MAX = 16 };

void e2b_describe(struct json_out *o, const struct peer *p, struct guest *g)
{
	const struct json *metadata = NULL;
	const char *template = "base";
	int64_t now = clock_wall(clock_system()), left;
	struct guest_times t = guest_times(g);

	(void)json_get_str(g->spec, "templateID", &template);
	(void)json_get(g->spec, "metadata", &metadata);
	left = guest_left_ms(g) / 1000;
	json_str_field(o, "templateID", template);
	json_str_field(o, "sandboxID", g->id);
	json_str_field(o, "clientID", "6532622b");
	answer_time(o, "startedAt", t.started);
	answer_time(o, "endAt",
		    guest_state(g) == GUEST_PAUSED || left > INT32_MAX ? t.changed
								       : now + left);
	json_int_field(o, "cpuCount", 2);
	json_int_field(o, "memoryMB", 512);
	json_int_field(o, "diskSizeMB", 1024);
	answer_map(o, "metadata", metadata);
	json_str_field(o, "state", guest_state(g) == GUEST_RUNNING ? "running" : "paused");
	json_str_field(o, "envdVersion", e2b_envd_version(p));
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
			*to++ = (char)(hex(s[1]) * 16 + hex(s[2]));
			s += 2;
		} else {
			*to++ = *s == '+' ? ' ' : *s;
		}
	}
	*to = '\0';
}

struct filter {
	char *text; /* what the pairs point into */
	const char *keys[FILTER_MAX], *values[FILTER_MAX];
	size_t n;
};

/* False when a pair has not exactly one '='. */
static bool read_filter(struct filter *f, const char *query)
{
	char *at;

	f->text = alloc_str(query);
	if (!query || !*query)
		return true;
	unescape(f->text);
	at = f->text;
	while (at && f->n < FILTER_MAX) {
		char *pair = strsep(&at, "&"), *eq = strchr(pair, '=');

		if (!eq || strchr(eq + 1, '='))
			return false;
		*eq = '\0';
		unescape(pair);
		unescape(eq + 1);
		f->keys[f->n] = pair;
		f->values[f->n++] = eq + 1;
	}
	return true;
}

static bool has_metadata(struct guest *g, const struct filter *f)
{
	const struct json *map = NULL;

	if (json_get(g->spec, "metadata", &map) && f->n)
		return false;
	for (size_t i = 0; i < f->n; i++) {
		const char *value;

		if (json_get_str(map, f->keys[i], &value) || strcmp(value, f->values[i]))
			return false;
	}
	return true;
}

static bool has_state(struct guest *g, const char *states)
{
	const char *mine = guest_state(g) == GUEST_RUNNING ? "running" : "paused";

	return !states || strstr(states, mine);
}

struct page {
	const struct peer *peer;
	struct filter filter;
	const char *states;
	uint64_t before; /* serials below this */
	size_t limit;
};

static size_t put_page(struct json_out *o, struct guest **all, size_t n, const struct page *p,
		       uint64_t *next)
{
	size_t put = 0;

	*next = 0;
	for (size_t i = 0; i < n; i++) {
		if (all[i]->serial >= p->before || !has_state(all[i], p->states) ||
		    !has_metadata(all[i], &p->filter))
			continue;
		if (put == p->limit) {
			*next = all[i]->serial + 1;
			return put;
		}
		json_begin(o, '{');
		e2b_describe(o, p->peer, all[i]);
		json_end(o, '}');
		put++;
	}
	return put;
}

static void send_page(struct request *r, const struct page *p)
{
	struct guest **all;
	size_t n = guests_snapshot(r->peer->guests, GUEST_E2B, &all);
	char token[32];
	const char *headers[] = {"X-Next-Token", token, NULL};
	struct answer a;
	uint64_t next;

	answer_begin(&a, '[');
	(void)put_page(&a.out, all, n, p, &next);
	json_end(&a.out, ']');
	(void)json_out_end(&a.out);
	(void)snprintf(token, sizeof(token), "t%llu", (unsigned long long)next);
	reply_bytes(r,
		    &(struct reply){.status = 200,
				    .type = "application/json; charset=utf-8",
				    .headers = next ? headers : NULL},
		    a.buf.data, a.buf.len);
	buf_deinit(&a.buf);
	for (size_t i = 0; i < n; i++)
		guest_unref(all[i]);
	free(all);
}

void e2b_list(struct request *r)
{
	const char *token = request_query(r, "nextToken");
	int64_t limit = request_query_int(r, "limit", PAGE_MAX);
	struct page p = {
		.peer = r->peer, .states = request_query(r, "state"), .before = UINT64_MAX};
	char *end = NULL;

	if (token && *token) {
		p.before = *token == 't' ? strtoull(token + 1, &end, 10) : 0;
		if (!end || *end) {
			e2b_error(r, 400, "Invalid next token");
			return;
		}
	}
	if (limit < 1 || limit > PAGE_MAX) {
		e2b_error(r, 400, "validation error: limit must be 1 to 100");
		return;
	}
	p.limit = (size_t)limit;
	if (read_filter(&p.filter, request_query(r, "metadata")))
		send_page(r, &p);
	else
		e2b_error(r, 400, "Invalid metadata query");
	free(p.filter.text);
}

void e2b_list_v1(struct request *r)
{
	struct page p = {
		.peer = r->peer, .states = "running", .before = UINT64_MAX, .limit = SIZE_MAX};

	if (read_filter(&p.filter, request_query(r, "metadata")))
		send_page(r, &p);
	else
		e2b_error(r, 400, "Invalid metadata query");
	free(p.filter.text);
}
