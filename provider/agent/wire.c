/* The codec of the agent's frames, the same for both ends.
 *
 * Each type has a layout: the list of its fields in order. Encoding and decoding walk the same
 * list, so that they cannot disagree. The decoder reads foreign bytes: it takes exactly the bytes that the frame
 * announces (a byte left over is WIRE_BAD, as is one too few), refuses NUL inside strings, empty paths, and
 * lengths past the limits of the header, and allocates nothing; everything it gives out is
 * borrowed from the input.
 *
 * A stream keeps its unread bytes in one buffer. Room is made by moving them to the front, which
 * happens once per read and not per frame.
 */
#include "provider/agent/wire.h"

#include <errno.h>
#include <string.h>

enum kind { U8, U16, U32, U64, OID, EPOCH, STR, PATH, DATA, LIST };

struct field {
	uint16_t kind;
	uint16_t at; /* offset in struct wire_frame */
};

enum { FIELDS_MAX = 7 };

struct layout {
	const char *name;
	size_t n;
	struct field fields[FIELDS_MAX];
};

#define AT(member) ((uint16_t)offsetof(struct wire_frame, member))

static const struct layout layouts[128] = {
	[WIRE_HELLO] = {"HELLO", 1, {{U16, AT(version)}}},
	[WIRE_APPLY] =
		{"APPLY",
		 4,
		 {{OID, AT(from)}, {OID, AT(to)}, {U32, AT(n_changes)}, {U8, AT(flags)}}},
	[WIRE_FILE] = {"FILE",
		       6,
		       {{U32, AT(mode)},
			{OID, AT(oid)},
			{U64, AT(size)},
			{U8, AT(source)},
			{PATH, AT(path)},
			{DATA, AT(data)}}},
	[WIRE_MORE] = {"MORE", 1, {{DATA, AT(data)}}},
	[WIRE_REMOVE] = {"REMOVE", 1, {{PATH, AT(path)}}},
	[WIRE_COMMIT] = {"COMMIT", 0, {{0, 0}}},
	[WIRE_VERIFY] = {"VERIFY", 1, {{U8, AT(flags)}}},
	[WIRE_MANIFEST] = {"MANIFEST", 0, {{0, 0}}},
	[WIRE_FETCH] = {"FETCH", 1, {{PATH, AT(path)}}},
	[WIRE_EXEC] = {"EXEC",
		       6,
		       {{STR, AT(cwd)},
			{LIST, AT(argv)},
			{LIST, AT(env)},
			{U8, AT(flags)},
			{U16, AT(rows)},
			{U16, AT(cols)}}},
	[WIRE_STDIN] = {"STDIN", 1, {{DATA, AT(data)}}},
	[WIRE_SIGNAL] = {"SIGNAL", 1, {{U8, AT(signal)}}},
	[WIRE_RESIZE] = {"RESIZE", 2, {{U16, AT(rows)}, {U16, AT(cols)}}},
	[WIRE_ATTACH] = {"ATTACH", 2, {{PATH, AT(path)}, {U8, AT(flags)}}},
	[WIRE_JOBS] = {"JOBS", 0, {{0, 0}}},
	[WIRE_KILL] = {"KILL", 2, {{PATH, AT(path)}, {U8, AT(signal)}}},
	[WIRE_JOB] = {"JOB",
		      5,
		      {{PATH, AT(path)},
		       {U8, AT(flags)},
		       {U16, AT(status)},
		       {U64, AT(size)},
		       {STR, AT(message)}}},
	[WIRE_FORWARD] = {"FORWARD", 1, {{U16, AT(port)}}},
	[WIRE_EPOCH] = {"EPOCH", 1, {{EPOCH, AT(epoch)}}},
	[WIRE_PUT] = {"PUT", 3, {{U32, AT(mode)}, {PATH, AT(path)}, {DATA, AT(data)}}},
	[WIRE_WATCH] = {"WATCH", 0, {{0, 0}}},
	[WIRE_WELCOME] = {"WELCOME",
			  5,
			  {{U16, AT(version)},
			   {EPOCH, AT(epoch)},
			   {OID, AT(tree)},
			   {U32, AT(pid)},
			   {STR, AT(root)}}},
	[WIRE_APPLIED] = {"APPLIED",
			  3,
			  {{OID, AT(tree)}, {U32, AT(n_files)}, {U32, AT(apply_us)}}},
	[WIRE_VERIFIED] = {"VERIFIED",
			   3,
			   {{OID, AT(tree)}, {U32, AT(n_files)}, {U32, AT(n_drift)}}},
	[WIRE_ENTRY] = {"ENTRY",
			4,
			{{U32, AT(mode)}, {OID, AT(oid)}, {U64, AT(size)}, {PATH, AT(path)}}},
	[WIRE_END] = {"END", 3, {{U32, AT(n)}, {OID, AT(tree)}, {U32, AT(n_skipped)}}},
	[WIRE_BYTES] = {"BYTES", 1, {{DATA, AT(data)}}},
	[WIRE_STARTED] = {"STARTED", 1, {{U32, AT(pid)}}},
	[WIRE_OUTPUT] = {"OUTPUT", 2, {{U8, AT(fd)}, {DATA, AT(data)}}},
	[WIRE_EXITED] = {"EXITED", 1, {{U16, AT(status)}}},
	[WIRE_OK] = {"OK", 0, {{0, 0}}},
	[WIRE_CHANGED] = {"CHANGED", 1, {{U32, AT(n_drift)}}},
	[WIRE_ERROR] = {"ERROR", 3, {{U16, AT(code)}, {OID, AT(tree)}, {STR, AT(message)}}},
};

static const struct layout *layout_of(unsigned type)
{
	return type < 128 && layouts[type].name ? &layouts[type] : NULL;
}

static bool has_nul(const void *p, size_t len)
{
	return len && memchr(p, 0, len);
}

static int put_str(struct buf *out, const struct wire_str *s, bool path)
{
	int r;

	if (s->len > (path ? WIRE_PATH_MAX : UINT16_MAX) || (path && !s->len) ||
	    has_nul(s->p, s->len))
		return -EINVAL;
	r = buf_u16(out, (uint16_t)s->len);
	return r ? r : buf_add(out, s->p, s->len);
}

static int put_data(struct buf *out, const struct wire_data *d)
{
	int r;

	if (d->len > WIRE_DATA_MAX)
		return -EINVAL;
	r = buf_u32(out, (uint32_t)d->len);
	return r ? r : buf_add(out, d->p, d->len);
}

static int put_list(struct buf *out, const struct wire_list *l)
{
	int r = buf_u16(out, l->n);

	return r ? r : buf_add(out, l->p, l->len);
}

static int put_field(struct buf *out, enum kind kind, const void *at)
{
	switch (kind) {
	case U8:
		return buf_u8(out, *(const uint8_t *)at);
	case U16:
		return buf_u16(out, *(const uint16_t *)at);
	case U32:
		return buf_u32(out, *(const uint32_t *)at);
	case U64:
		return buf_u64(out, *(const uint64_t *)at);
	case OID:
		return buf_add(out, at, OID_LEN);
	case EPOCH:
		return buf_add(out, at, 16);
	case STR:
		return put_str(out, at, false);
	case PATH:
		return put_str(out, at, true);
	case DATA:
		return put_data(out, at);
	case LIST:
		return put_list(out, at);
	}
	return -EINVAL;
}

static void patch_u32(char *at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(unsigned char)(v >> (8 * i));
}

static int put_header(struct buf *out, const struct wire_frame *f)
{
	int r = buf_u32(out, 0);

	if (!r)
		r = buf_u8(out, (uint8_t)f->type);
	if (!r)
		r = buf_u8(out, 0);
	if (!r)
		r = buf_u16(out, 0);
	return r ? r : buf_u32(out, f->id);
}

int wire_encode(struct buf *out, const struct wire_frame *f)
{
	const struct layout *lay = layout_of(f->type);
	size_t start = out->len, len;
	int r = lay ? put_header(out, f) : -EINVAL;

	for (size_t i = 0; !r && i < lay->n; i++)
		r = put_field(out, lay->fields[i].kind, (const char *)f + lay->fields[i].at);
	len = out->len - start;
	if (!r && len - 4 > WIRE_FRAME_MAX)
		r = -EINVAL;
	if (r) {
		out->len = start;
		return r;
	}
	patch_u32(out->data + start, (uint32_t)(len - 4));
	return 0;
}

static void get_str(struct reader *r, struct wire_str *ret, bool path)
{
	size_t len = reader_u16(r);

	ret->p = reader_bytes(r, len);
	ret->len = ret->p ? len : 0;
	if (has_nul(ret->p, ret->len) || (path && (!len || len > WIRE_PATH_MAX)))
		r->bad = 1;
}

static void get_data(struct reader *r, struct wire_data *ret)
{
	size_t len = reader_u32(r);

	if (len > WIRE_DATA_MAX)
		r->bad = 1;
	ret->p = reader_bytes(r, len);
	ret->len = ret->p ? len : 0;
}

static void get_list(struct reader *r, struct wire_list *ret)
{
	const unsigned char *start;
	struct wire_str s;

	ret->n = reader_u16(r);
	start = r->p;
	for (unsigned i = 0; i < ret->n && !r->bad; i++)
		get_str(r, &s, false);
	ret->p = start;
	ret->len = (size_t)(r->p - start);
}

static void get_bytes(struct reader *r, void *ret, size_t len)
{
	const void *p = reader_bytes(r, len);

	if (p)
		memcpy(ret, p, len);
}

static void get_field(struct reader *r, enum kind kind, void *at)
{
	switch (kind) {
	case U8:
		*(uint8_t *)at = reader_u8(r);
		return;
	case U16:
		*(uint16_t *)at = reader_u16(r);
		return;
	case U32:
		*(uint32_t *)at = reader_u32(r);
		return;
	case U64:
		*(uint64_t *)at = reader_u64(r);
		return;
	case OID:
		get_bytes(r, at, OID_LEN);
		return;
	case EPOCH:
		get_bytes(r, at, 16);
		return;
	case STR:
		get_str(r, at, false);
		return;
	case PATH:
		get_str(r, at, true);
		return;
	case DATA:
		get_data(r, at);
		return;
	case LIST:
		get_list(r, at);
		return;
	}
	r->bad = 1;
}

int wire_decode(const void *in, size_t len, struct wire_frame *ret, size_t *used)
{
	const struct layout *lay;
	struct wire_frame f = {0};
	struct reader r;
	size_t body;

	reader_init(&r, in, len);
	if (len < 4)
		return WIRE_SHORT;
	body = reader_u32(&r);
	if (body < WIRE_HEADER_LEN - 4 || body > WIRE_FRAME_MAX)
		return WIRE_BAD;
	if (body > reader_left(&r))
		return WIRE_SHORT;
	reader_init(&r, r.p, body);
	f.type = reader_u8(&r);
	if (reader_u8(&r) || reader_u16(&r))
		return WIRE_BAD;
	f.id = reader_u32(&r);
	lay = layout_of(f.type);
	if (!lay)
		return WIRE_BAD;
	for (size_t i = 0; i < lay->n && !r.bad; i++)
		get_field(&r, lay->fields[i].kind, (char *)&f + lay->fields[i].at);
	if (r.bad || reader_left(&r))
		return WIRE_BAD;
	*ret = f;
	*used = body + 4;
	return 0;
}

struct wire_str wire_str(const char *s)
{
	return (struct wire_str){.p = s, .len = strlen(s)};
}

struct wire_data wire_data(const void *p, size_t len)
{
	return (struct wire_data){.p = p, .len = len};
}

int wire_list_add(struct buf *bytes, const char *s)
{
	struct wire_str str = wire_str(s);

	return put_str(bytes, &str, false);
}

bool wire_list_next(struct wire_list *l, struct wire_str *ret)
{
	struct reader r;
	struct wire_str s;

	if (!l->n)
		return false;
	reader_init(&r, l->p, l->len);
	get_str(&r, &s, false);
	if (r.bad)
		return false;
	l->p = r.p;
	l->len = reader_left(&r);
	l->n--;
	*ret = s;
	return true;
}

enum { READ_LEN = 64 << 10 };

void wire_stream_init(struct wire_stream *s)
{
	buf_init(&s->in, WIRE_FRAME_MAX + 4 + READ_LEN);
	s->at = 0;
}

void wire_stream_deinit(struct wire_stream *s)
{
	buf_deinit(&s->in);
	s->at = 0;
}

void *wire_stream_room(struct wire_stream *s, size_t *len)
{
	if (s->at) {
		s->in.len -= s->at;
		memmove(s->in.data, s->in.data + s->at, s->in.len);
		s->at = 0;
	}
	if (s->in.cap - s->in.len < 4096 && buf_reserve(&s->in, READ_LEN))
		return NULL;
	*len = s->in.cap - s->in.len;
	return s->in.data + s->in.len;
}

void wire_stream_filled(struct wire_stream *s, size_t n)
{
	s->in.len += n;
	s->in.data[s->in.len] = '\0';
}

int wire_stream_next(struct wire_stream *s, struct wire_frame *ret)
{
	size_t used;
	int r = wire_decode(s->in.data + s->at, s->in.len - s->at, ret, &used);

	if (!r)
		s->at += used;
	return r;
}

struct wire_data wire_stream_rest(const struct wire_stream *s)
{
	return wire_data(s->in.data + s->at, s->in.len - s->at);
}

const char *wire_type_name(unsigned type)
{
	const struct layout *lay = layout_of(type);

	return lay ? lay->name : "unknown";
}

const char *wire_error_words(unsigned code)
{
	switch ((enum wire_error)code) {
	case WIRE_E_PROTOCOL:
		return "the agent did not understand a message";
	case WIRE_E_MOVED:
		return "the sandbox holds another tree than expected";
	case WIRE_E_DRIFT:
		return "a file was changed inside the sandbox";
	case WIRE_E_NOT_RESIDENT:
		return "the content is not in the sandbox any more";
	case WIRE_E_HASH:
		return "content arrived damaged";
	case WIRE_E_PATH:
		return "a path was refused";
	case WIRE_E_IO:
		return "the sandbox's disk failed";
	case WIRE_E_EXEC:
		return "the command could not be started";
	case WIRE_E_MISSING:
		return "there is no such file in the sandbox";
	case WIRE_E_BUSY:
		return "the sandbox is busy";
	}
	return "the agent reported an unknown error";
}
