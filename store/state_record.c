/* Records of state/ to bytes and back. Decoders distrust: every length is checked against what
 * there is and against the field it goes to, and nothing may be left over.
 */
#include "store/state_format.h"

#include <string.h>

#include "base/buf.h"
#include "store/state.h"

static int put_oid(struct buf *b, const struct oid *oid)
{
	return buf_add(b, oid->id, OID_LEN);
}

static int put_text(struct buf *b, const char *s, size_t size)
{
	size_t len = strnlen(s, size - 1);
	int r = buf_u16(b, (uint16_t)len);

	return r ? r : buf_add(b, s, len);
}

static void get_oid(struct reader *in, struct oid *ret)
{
	const void *p = reader_bytes(in, OID_LEN);

	if (p)
		memcpy(ret->id, p, OID_LEN);
}

static void get_text(struct reader *in, char *ret, size_t size)
{
	size_t len = reader_u16(in);
	const void *p = reader_bytes(in, len);

	if (!p || len >= size || memchr(p, '\0', len)) {
		in->bad = 1;
		return;
	}
	memcpy(ret, p, len);
	ret[len] = '\0';
}

static int put_recent(struct buf *b, const struct state_sandbox *s)
{
	uint8_t n = 0;
	int r;

	while (n < STATE_RECENT_MAX && !oid_is_zero(&s->recent[n]))
		n++;
	r = buf_u8(b, n);
	for (uint8_t i = 0; !r && i < n; i++)
		r = put_oid(b, &s->recent[i]);
	return r;
}

int state_sandbox_encode(const struct state_sandbox *s, struct buf *b)
{
	const struct oid *const oids[] = {&s->base, &s->desired, &s->observed, &s->base_commit,
					  &s->desired_commit};
	int r = buf_u8(b, STATE_SANDBOX_VERSION);

	if (!r)
		r = put_text(b, s->provider, sizeof(s->provider));
	if (!r)
		r = put_text(b, s->id, sizeof(s->id));
	if (!r)
		r = buf_add(b, s->epoch, sizeof(s->epoch));
	if (!r)
		r = buf_u32(b, s->phase);
	for (size_t i = 0; !r && i < sizeof(oids) / sizeof(*oids); i++)
		r = put_oid(b, oids[i]);
	if (!r)
		r = buf_u64(b, (uint64_t)s->created);
	if (!r)
		r = buf_u64(b, (uint64_t)s->verified);
	if (!r)
		r = buf_u64(b, (uint64_t)s->due);
	if (!r)
		r = put_oid(b, &s->drift);
	if (!r)
		r = buf_u32(b, s->n_kept);
	if (!r)
		r = put_recent(b, s);
	return r ? r : put_text(b, s->error, sizeof(s->error));
}

static int version_of(struct reader *in, uint8_t known)
{
	uint8_t version = reader_u8(in);

	if (in->bad || !version)
		return STATE_BAD;
	return version > known ? (int)STATE_NEWER : 0;
}

int state_sandbox_decode(const void *val, size_t len, struct state_sandbox *ret)
{
	struct state_sandbox s = {0};
	struct oid *const oids[] = {&s.base, &s.desired, &s.observed, &s.base_commit,
				    &s.desired_commit};
	const void *epoch;
	struct reader in;
	uint8_t n;
	int r;

	reader_init(&in, val, len);
	r = version_of(&in, STATE_SANDBOX_VERSION);
	if (r)
		return r;
	get_text(&in, s.provider, sizeof(s.provider));
	get_text(&in, s.id, sizeof(s.id));
	epoch = reader_bytes(&in, sizeof(s.epoch));
	if (epoch)
		memcpy(s.epoch, epoch, sizeof(s.epoch));
	s.phase = reader_u32(&in);
	for (size_t i = 0; i < sizeof(oids) / sizeof(*oids); i++)
		get_oid(&in, oids[i]);
	s.created = (int64_t)reader_u64(&in);
	s.verified = (int64_t)reader_u64(&in);
	s.due = (int64_t)reader_u64(&in);
	get_oid(&in, &s.drift);
	s.n_kept = reader_u32(&in);
	n = reader_u8(&in);
	if (n > STATE_RECENT_MAX)
		return STATE_BAD;
	for (uint8_t i = 0; i < n; i++)
		get_oid(&in, &s.recent[i]);
	get_text(&in, s.error, sizeof(s.error));
	if (in.bad || reader_left(&in))
		return STATE_BAD;
	*ret = s;
	return 0;
}

int state_op_encode(const struct state_op *op, struct buf *b)
{
	int r = buf_u8(b, STATE_OP_VERSION);

	if (!r)
		r = buf_u64(b, op->op_id);
	if (!r)
		r = put_oid(b, &op->from);
	if (!r)
		r = put_oid(b, &op->to);
	if (!r)
		r = buf_u32(b, op->plan);
	if (!r)
		r = buf_u32(b, op->attempt);
	return r ? r : buf_u64(b, (uint64_t)op->started);
}

int state_op_decode(const void *val, size_t len, struct state_op *ret)
{
	struct state_op op = {0};
	struct reader in;
	int r;

	reader_init(&in, val, len);
	r = version_of(&in, STATE_OP_VERSION);
	if (r)
		return r;
	op.op_id = reader_u64(&in);
	get_oid(&in, &op.from);
	get_oid(&in, &op.to);
	op.plan = reader_u32(&in);
	op.attempt = reader_u32(&in);
	op.started = (int64_t)reader_u64(&in);
	if (in.bad || reader_left(&in))
		return STATE_BAD;
	*ret = op;
	return 0;
}
