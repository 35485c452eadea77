/* What a mirror says of itself: names, the status of a running one, and JSON.
 */
#include "sync/mirror_private.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"

const char *mirror_state_name(enum mirror_state s)
{
	switch (s) {
	case MIRROR_NEW:
		return "new";
	case MIRROR_PROBE:
		return "probe";
	case MIRROR_BOOTSTRAP:
		return "bootstrap";
	case MIRROR_SYNCED:
		return "synced";
	case MIRROR_DUE:
		return "due";
	case MIRROR_PULL:
		return "pull";
	case MIRROR_PLAN:
		return "plan";
	case MIRROR_SEND:
		return "send";
	case MIRROR_APPLY:
		return "apply";
	case MIRROR_VERIFY:
		return "verify";
	case MIRROR_BACKOFF:
		return "backoff";
	case MIRROR_ASLEEP:
		return "asleep";
	case MIRROR_CONFLICT:
		return "conflict";
	case MIRROR_HALTED:
		return "halted";
	case MIRROR_GONE:
		return "gone";
	case MIRROR_PAUSED:
		return "paused";
	}
	return "unknown";
}

void mirror_status_fill(const struct mirror *m, struct mirror_status *ret)
{
	*ret = (struct mirror_status){
		.record = m->rec,
		.state = m->state,
		.verified = m->state == MIRROR_SYNCED && !m->due &&
			    oid_eq(&m->rec.base, &m->rec.desired),
		.plan = m->plan_kind,
		.attempt = m->attempt,
		.files_done = m->files_done,
		.files_total = m->files_total,
		.bytes_done = m->bytes_done,
		.bytes_total = m->bytes_total,
		.rtt_us = m->rtt_us,
		.apply_us = m->apply_us,
	};
	if (m->rec.due && !ret->verified)
		ret->lag_s = clock_wall(m->clock) - m->rec.due;
	if (m->state == MIRROR_BACKOFF)
		ret->retry_ms = mirror_wait_ms(m);
	memcpy(ret->why, m->why, sizeof(ret->why));
}

static void put_oid(struct json_out *o, const char *key, const struct oid *oid)
{
	char hex[OID_HEX_LEN + 1];

	json_str_field(o, key, oid_is_zero(oid) ? NULL : oid_hex(oid, hex));
}

static void put_time(struct json_out *o, const char *key, int64_t t)
{
	char text[CLOCK_TEXT_MAX];

	json_str_field(o, key, t ? clock_iso(t, 0, text) : NULL);
}

void mirror_status_json(const struct mirror_status *s, struct json_out *o)
{
	const struct state_sandbox *rec = &s->record;

	json_str_field(o, "state", mirror_state_name(s->state));
	json_bool_field(o, "verified", s->verified);
	json_str_field(o, "provider", rec->provider);
	json_str_field(o, "sandbox", rec->id);
	put_oid(o, "base", &rec->base);
	put_oid(o, "desired", &rec->desired);
	put_oid(o, "observed", &rec->observed);
	put_oid(o, "commit", &rec->desired_commit);
	put_time(o, "verifiedAt", rec->verified);
	put_time(o, "dueSince", rec->due);
	json_int_field(o, "lagSeconds", s->lag_s);
	json_str_field(o, "plan", choice_name(s->plan));
	json_int_field(o, "attempt", s->attempt);
	json_int_field(o, "filesDone", (int64_t)s->files_done);
	json_int_field(o, "filesTotal", (int64_t)s->files_total);
	json_int_field(o, "bytesDone", (int64_t)s->bytes_done);
	json_int_field(o, "bytesTotal", (int64_t)s->bytes_total);
	json_int_field(o, "retryMs", s->retry_ms);
	json_int_field(o, "rttUs", (int64_t)s->rtt_us);
	json_int_field(o, "applyUs", (int64_t)s->apply_us);
	put_oid(o, "drift", &rec->drift);
	json_int_field(o, "kept", rec->n_kept);
	json_str_field(o, "why", s->why[0] ? s->why : NULL);
}

static void get_oid(const struct json *o, const char *key, struct oid *ret)
{
	const char *hex = NULL;

	if (!json_get_str(o, key, &hex))
		(void)oid_parse(hex, strlen(hex), ret);
}

static uint64_t get_count(const struct json *o, const char *key)
{
	int64_t n = 0;

	return json_get_int(o, key, &n) || n < 0 ? 0 : (uint64_t)n;
}

static void get_text(const struct json *o, const char *key, char *ret, size_t size)
{
	const char *text = NULL;
	size_t len;

	if (json_get_str(o, key, &text))
		return;
	len = strnlen(text, size - 1);
	memcpy(ret, text, len);
}

static bool get_state(const struct json *o, enum mirror_state *ret)
{
	const char *name = NULL;

	if (json_get_str(o, "state", &name))
		return false;
	for (int s = MIRROR_NEW; s <= MIRROR_PAUSED; s++)
		if (!strcmp(mirror_state_name((enum mirror_state)s), name)) {
			*ret = (enum mirror_state)s;
			return true;
		}
	return false;
}

static uint32_t choice_of(const struct json *o)
{
	const char *name = NULL;

	if (json_get_str(o, "plan", &name))
		return CHOICE_SAME;
	for (uint32_t k = 0; k < CHOICE_KINDS; k++)
		if (!strcmp(choice_name(k), name))
			return k;
	return CHOICE_SAME;
}

bool mirror_status_parse(const struct json *o, struct mirror_status *ret)
{
	struct mirror_status s = {0};

	if (!get_state(o, &s.state))
		return false;
	(void)json_get_bool(o, "verified", &s.verified);
	get_text(o, "provider", s.record.provider, sizeof(s.record.provider));
	get_text(o, "sandbox", s.record.id, sizeof(s.record.id));
	get_text(o, "why", s.why, sizeof(s.why));
	get_oid(o, "base", &s.record.base);
	get_oid(o, "desired", &s.record.desired);
	get_oid(o, "observed", &s.record.observed);
	get_oid(o, "commit", &s.record.desired_commit);
	get_oid(o, "drift", &s.record.drift);
	s.record.n_kept = (uint32_t)get_count(o, "kept");
	s.attempt = (uint32_t)get_count(o, "attempt");
	s.plan = choice_of(o);
	s.files_done = get_count(o, "filesDone");
	s.files_total = get_count(o, "filesTotal");
	s.bytes_done = get_count(o, "bytesDone");
	s.bytes_total = get_count(o, "bytesTotal");
	s.retry_ms = (int64_t)get_count(o, "retryMs");
	s.lag_s = (int64_t)get_count(o, "lagSeconds");
	s.rtt_us = get_count(o, "rttUs");
	s.apply_us = get_count(o, "applyUs");
	*ret = s;
	return true;
}
