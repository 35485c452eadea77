/* tests/peers/daytona_settings.c - Daytona's control plane: what can be changed on a sandbox, and addresses into it.
 *
 * Minutes take as long as the server was told. A preview's address is its port and the sandbox's id, or a
 * token for one port, as a host name below localhost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/peers/answer.h"
#include "tests/peers/daytona.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/signed_port.h"

enum { SIGNED_DEFAULT_S = 60, SIGNED_MAX_S = 86400, ARCHIVE_MAX = 43200 };

void daytona_set_labels(struct request *r)
{
	const struct json *doc = request_json(r), *labels = NULL;
	struct guest *g;
	struct answer a;

	if (!doc || json_get(doc, "labels", &labels) || !json_is_object(labels)) {
		daytona_error(r, 400, "labels must be an object");
		return;
	}
	g = daytona_wanted(r, true);
	if (!g)
		return;
	guests_lock(g->all);
	json_free(g->labels);
	g->labels = r->json;
	r->json = NULL;
	guests_unlock(g->all);
	if (peer_has(r->peer, QUIRK_DAYTONA_S190)) {
		daytona_send(r, g, 200, NULL);
	} else {
		answer_begin(&a, '{');
		answer_map(&a.out, "labels", labels);
		answer_send(r, &a, '}', 200);
	}
	guest_unref(g);
}

/* The second argument as a number of at least `least`; false: refused. */
static bool read_minutes(struct request *r, int64_t least, int64_t *ret)
{
	char *end;

	*ret = (int64_t)strtoll(r->args[1], &end, 10);
	if (!*end && *ret >= least && *ret <= INT32_MAX)
		return true;
	daytona_error(r, 400, "Validation failed (numeric string is expected)");
	return false;
}

void daytona_set_autostop(struct request *r)
{
	struct guest *g;
	int64_t m;

	if (!read_minutes(r, 0, &m) || !(g = daytona_wanted(r, true)))
		return;
	guests_lock(g->all);
	g->stop_minutes = m;
	g->idle_ms = m * r->peer->minute_ms;
	guests_unlock(g->all);
	guest_touch(g);
	daytona_send(r, g, 201, NULL);
	guest_unref(g);
}

void daytona_set_autoarchive(struct request *r)
{
	struct guest *g;
	int64_t m;

	if (!read_minutes(r, 0, &m) || !(g = daytona_wanted(r, true)))
		return;
	guests_lock(g->all);
	g->archive_minutes = m ? m : ARCHIVE_MAX;
	guests_unlock(g->all);
	daytona_send(r, g, 201, NULL);
	guest_unref(g);
}

void daytona_set_autodelete(struct request *r)
{
	struct guest *g;
	int64_t m;

	if (!read_minutes(r, INT32_MIN, &m) || !(g = daytona_wanted(r, true)))
		return;
	guests_lock(g->all);
	g->delete_minutes = m;
	g->delete_at_stop = !m;
	guests_unlock(g->all);
	daytona_send(r, g, 201, NULL);
	guest_unref(g);
}

void daytona_set_ttl(struct request *r)
{
	struct guest *g;
	int64_t m;

	if (!read_minutes(r, 0, &m) || !(g = daytona_wanted(r, true)))
		return;
	guest_set_expiry(g, m ? m * r->peer->minute_ms : -1);
	daytona_send(r, g, 201, NULL);
	guest_unref(g);
}

void daytona_set_public(struct request *r)
{
	struct guest *g = daytona_wanted(r, true);

	if (!g)
		return;
	guests_lock(g->all);
	g->is_public = !strcmp(r->args[1], "true");
	guests_unlock(g->all);
	daytona_send(r, g, 201, NULL);
	guest_unref(g);
}

/* A sandbox's network is decided when it is made; only saying the same again is possible. */
void daytona_set_network(struct request *r)
{
	const struct json *doc = request_json(r);
	bool blocked = false, wanted = false;
	struct guest *g = daytona_wanted(r, true);

	if (!g)
		return;
	(void)json_get_bool(g->spec, "networkBlockAll", &blocked);
	if (!doc || json_get_bool(doc, "networkBlockAll", &wanted) || wanted != blocked)
		daytona_error(r, 400,
			      "the network of a local sandbox is set when it is created");
	else
		daytona_send(r, g, 200, NULL);
	guest_unref(g);
}

void daytona_touch(struct request *r)
{
	struct guest *g = daytona_wanted(r, false);

	if (!g)
		return;
	guest_touch(g);
	reply_empty(r, 201);
	guest_unref(g);
}

static bool read_port(struct request *r, uint16_t *port)
{
	int64_t n;

	if (!read_minutes(r, 1, &n))
		return false;
	if (n > UINT16_MAX)
		daytona_error(r, 400, "Invalid port");
	*port = (uint16_t)n;
	return n <= UINT16_MAX;
}

void daytona_preview_url(struct request *r)
{
	struct guest *g;
	struct answer a;
	uint16_t port;
	char url[128], token[GUEST_TOKEN_MAX];

	if (!read_port(r, &port) || !(g = daytona_wanted(r, true)))
		return;
	guests_lock(g->all);
	memcpy(token, g->token, sizeof(token));
	guests_unlock(g->all);
	(void)snprintf(url, sizeof(url), "http://%u-%s.localhost:%u", port, g->id,
		       r->peer->port);
	answer_begin(&a, '{');
	json_str_field(&a.out, "sandboxId", g->id);
	json_str_field(&a.out, "url", url);
	json_str_field(&a.out, "token", token);
	answer_send(r, &a, '}', 200);
	guest_unref(g);
}

void daytona_signed_preview_url(struct request *r)
{
	int64_t life = request_query_int(r, "expiresInSeconds", SIGNED_DEFAULT_S);
	char url[128], token[SIGNED_PORT_TOKEN_MAX];
	struct guest *g;
	struct answer a;
	uint16_t port;

	if (life < 1 || life > SIGNED_MAX_S) {
		daytona_error(r, 400, "expiresInSeconds must be between 1 and 86400");
		return;
	}
	if (!read_port(r, &port) || !(g = daytona_wanted(r, true)))
		return;
	signed_port_add(r->peer->signed_ports, g->id, port, life, token);
	(void)snprintf(url, sizeof(url), "http://%u-%s.localhost:%u", port, token,
		       r->peer->port);
	answer_begin(&a, '{');
	json_str_field(&a.out, "sandboxId", g->id);
	json_int_field(&a.out, "port", port);
	json_str_field(&a.out, "token", token);
	json_str_field(&a.out, "url", url);
	answer_send(r, &a, '}', 200);
	guest_unref(g);
}

void daytona_expire_preview_url(struct request *r)
{
	struct guest *g = daytona_wanted(r, true);

	if (!g)
		return;
	signed_port_remove(r->peer->signed_ports, r->args[2]);
	reply_empty(r, 201);
	guest_unref(g);
}

void daytona_toolbox_url(struct request *r)
{
	struct guest *g = daytona_wanted(r, false);
	struct answer a;
	char url[96];

	if (!g)
		return;
	(void)snprintf(url, sizeof(url), "%s/toolbox", r->peer->url);
	answer_begin(&a, '{');
	json_str_field(&a.out, "url", url);
	answer_send(r, &a, '}', 200);
	guest_unref(g);
}

static void send_key(struct request *r, struct guest *g, unsigned status)
{
	char text[GUEST_TOKEN_MAX + 2];

	guests_lock(g->all);
	(void)snprintf(text, sizeof(text), "\"%s\"", g->traffic_token);
	guests_unlock(g->all);
	reply_bytes(r, &(struct reply){.status = status, .type = "application/json"}, text,
		    strlen(text));
}

void daytona_signing_key(struct request *r)
{
	struct guest *g = daytona_wanted(r, false);

	if (!g)
		return;
	send_key(r, g, 200);
	guest_unref(g);
}

void daytona_rotate_signing_key(struct request *r)
{
	struct guest *g = daytona_wanted(r, false);

	if (!g)
		return;
	guests_lock(g->all);
	guest_random(g->traffic_token, 48);
	guests_unlock(g->all);
	send_key(r, g, 201);
	guest_unref(g);
}
