/* provider/e2b_box.c - how to reach a sandbox: its token, its host, the version of its envd.
 *
 * create and connect tell, so usually nothing has to be asked; after a restart of ours the first call to a sandbox asks the
 * API once. A box is only a cache: tokens change when a sandbox is resumed elsewhere, and whoever meets a 401
 * forgets the box and starts over. Tokens are zeroed when they go.
 */
#include "provider/e2b_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static size_t bucket_of(const char *id)
{
	size_t h = 5381;

	for (; *id; id++)
		h = h * 33 + (unsigned char)*id;
	return h % E2B_BUCKETS;
}

struct e2b_box *e2b_box_find(struct e2b *p, const char *id)
{
	struct e2b_box *b = p->boxes[bucket_of(id)];

	while (b && strcmp(b->id, id) != 0)
		b = b->next;
	return b;
}

static void box_free(struct e2b_box *b)
{
	explicit_bzero(b, sizeof(*b));
	free(b);
}

void e2b_box_forget(struct e2b *p, const char *id)
{
	for (struct e2b_box **at = &p->boxes[bucket_of(id)]; *at; at = &(*at)->next) {
		struct e2b_box *b = *at;

		if (strcmp(b->id, id) != 0)
			continue;
		*at = b->next;
		box_free(b);
		return;
	}
}

void e2b_boxes_free(struct e2b *p)
{
	for (size_t i = 0; i < E2B_BUCKETS; i++) {
		while (p->boxes[i]) {
			struct e2b_box *b = p->boxes[i];

			p->boxes[i] = b->next;
			box_free(b);
		}
	}
}

/* "0.5.7" as 507; what is no version counts as new. */
static unsigned read_version(const char *s)
{
	unsigned part[3] = {0};

	for (size_t i = 0; i < 3; i++) {
		for (; *s >= '0' && *s <= '9'; s++)
			part[i] =
				part[i] < 1000 ? part[i] * 10 + (unsigned)(*s - '0') : part[i];
		if (*s != '.')
			break;
		s++;
	}
	if (!part[0] && !part[1] && !part[2])
		return UINT32_MAX;
	return part[0] * 10000 + (part[1] < 99 ? part[1] : 99) * 100 +
	       (part[2] < 99 ? part[2] : 99);
}

static bool domain_good(const char *s)
{
	return !s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-")];
}

void e2b_box_read(struct e2b *p, struct json_reply *j, const char *id)
{
	struct e2b_box *b, got = {0};
	char version[32];

	json_reply_text(j, j->root, "sandboxID", got.id, sizeof(got.id));
	/* "<id>-<clientID>" in older answers */
	if (strchr(got.id, '-') && got.id[0] == 'i' && (!id || !strchr(id, '-')))
		*strchr(got.id, '-') = '\0';
	json_reply_maybe(j, j->root, "domain", got.domain, sizeof(got.domain));
	json_reply_maybe(j, j->root, "envdAccessToken", got.token, sizeof(got.token));
	json_reply_maybe(j, j->root, "trafficAccessToken", got.traffic, sizeof(got.traffic));
	json_reply_maybe(j, j->root, "envdVersion", version, sizeof(version));
	if (!domain_good(got.domain))
		json_reply_bad(j, "domain", "is no host name");
	if (!j->why[0] && (!e2b_id_good(got.id) || (id && strcmp(got.id, id) != 0)))
		json_reply_bad(j, "sandboxID", "is not the one asked for");
	if (j->why[0])
		return;
	got.version = read_version(version);
	b = e2b_box_find(p, got.id);
	if (b && !got.traffic[0]) /* only create and connect tell it */
		memcpy(got.traffic, b->traffic, sizeof(got.traffic));
	got.cold =
		b && b->cold && strcmp(json_reply_str(j, j->root, "state", ""), "paused") == 0;
	e2b_box_forget(p, got.id);
	b = alloc_zero(sizeof(*b));
	*b = got;
	b->next = p->boxes[bucket_of(got.id)];
	p->boxes[bucket_of(got.id)] = b;
	explicit_bzero(&got, sizeof(got));
}

static void box_came(struct e2b_op *op, int result)
{
	struct json_reply j;
	const char *state;
	bool paused;
	int r;

	if (result) {
		e2b_end_api(op, result);
		return;
	}
	e2b_reply(&op->http, &j);
	e2b_box_read(op->p, &j, op->id);
	state = json_reply_str(&j, j.root, "state", "running");
	paused = strcmp(state, "paused") == 0;
	r = json_reply_fault(&j, "e2b");
	json_reply_close(&j);
	if (r)
		e2b_end(op, r, j.why);
	else if (paused)
		e2b_end(op, PROVIDER_ASLEEP, "it is paused");
	else
		op->inside(op);
}

void e2b_inside(struct e2b_op *op)
{
	if (e2b_box_find(op->p, op->id))
		op->inside(op);
	else
		e2b_api(op, "GET", box_came, "/sandboxes/%s", op->id);
}
