/* provider/daytona_box.c - where the toolbox of a sandbox is.
 *
 * Each description of a sandbox tells, so usually nothing has to be asked; after a restart of ours the first call asks
 * once. The key goes along with every request there, so an API reached by https may not send us, and
 * the key, to plain http.
 */
#include "provider/daytona_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"

static struct daytona_box **bucket_of(struct daytona *p, const char *id)
{
	size_t h = 5381;

	for (; *id; id++)
		h = h * 33 + (unsigned char)*id;
	return &p->boxes[h % DAYTONA_BUCKETS];
}

static struct daytona_box **find(struct daytona *p, const char *id)
{
	struct daytona_box **at = bucket_of(p, id);

	while (*at && strcmp((*at)->id, id) != 0)
		at = &(*at)->next;
	return at;
}

struct daytona_box *daytona_box_find(struct daytona *p, const char *id)
{
	return *find(p, id);
}

void daytona_box_forget(struct daytona *p, const char *id)
{
	struct daytona_box **at = find(p, id), *b = *at;

	if (!b)
		return;
	*at = b->next;
	free(b);
}

void daytona_boxes_free(struct daytona *p)
{
	for (size_t i = 0; i < DAYTONA_BUCKETS; i++) {
		while (p->boxes[i]) {
			struct daytona_box *b = p->boxes[i];

			p->boxes[i] = b->next;
			free(b);
		}
	}
}

bool daytona_box_learn(struct daytona *p, const struct daytona_sandbox *s)
{
	const char *base = p->toolbox_url ? p->toolbox_url : s->toolbox;
	struct daytona_box **at, *b;
	int n;

	if (!base[0])
		return true; /* not told, as in the answers of some verbs */
	if (strncmp(p->api_url, "https:", 6) == 0 && strncmp(base, "https:", 6) != 0) {
		log_warn("daytona: the API names a toolbox without TLS, ignoring it");
		return false;
	}
	at = find(p, s->info.id);
	b = *at;
	if (!b) {
		b = alloc_zero(sizeof(*b));
		(void)snprintf(b->id, sizeof(b->id), "%s", s->info.id);
		b->next = *bucket_of(p, s->info.id);
		*bucket_of(p, s->info.id) = b;
	}
	n = snprintf(b->toolbox, sizeof(b->toolbox), "%s/%s", base, s->info.id);
	if (n > 0 && (size_t)n < sizeof(b->toolbox))
		return true;
	daytona_box_forget(p, s->info.id);
	return false;
}
