/* Cutting a file into documents without understanding them.
 *
 * A document ends where its brackets close, or, one document a line, where the line does. Lines
 * are the better border: a torn line spoils one document only. So a file is taken for JSON
 * lines as soon as its first line closes all its brackets, or the next line begins another
 * document; only otherwise are brackets followed across lines. There a document
 * that never closes would swallow all that follow, so a line that begins with `{` where no
 * value can stand starts afresh.
 *
 *	           first byte '['                 first line closed, or
 *	START ───────────────────▶ ARRAY          next one starts with '{'
 *	  └──────────▶ FIRST ─────────────────────────────────▶ LINES
 *	                 └───── otherwise ────▶ SPANS
 *
 * Costs one pass over the bytes, and memory for one document.
 */
#include "store/import_json_read.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"

enum shape { SHAPE_START, SHAPE_FIRST, SHAPE_LINES, SHAPE_SPANS, SHAPE_ARRAY };

enum { CHUNK = 256 << 10 };

struct import_json_read {
	int fd;
	enum shape shape;
	bool closed;     /* the array's bracket was met */
	uint64_t offset; /* of the next byte */
	uint32_t line;   /* it is on */
	struct buf doc;  /* what stands of the current document */
	bool too_big;    /* … and it does not hold all of it */
	uint64_t doc_offset;
	uint32_t doc_line;
	int depth; /* brackets open */
	bool in_string, escaped, bol;
	char last;    /* last byte that is no white space, outside of strings */
	size_t at, n; /* of chunk */
	char chunk[CHUNK];
};

struct import_json_read *import_json_read_new(int fd, bool lines, size_t max)
{
	struct import_json_read *r = alloc_zero(sizeof(*r));

	r->fd = fd;
	r->shape = lines ? SHAPE_LINES : SHAPE_START;
	r->line = 1;
	r->bol = true;
	buf_init(&r->doc, max);
	return r;
}

void import_json_read_free(struct import_json_read *r)
{
	if (!r)
		return;
	buf_deinit(&r->doc);
	free(r);
}

/* The next byte, -1 at the end, or a fault below that. */
static int peek(struct import_json_read *r)
{
	ssize_t n;

	if (r->at < r->n)
		return (unsigned char)r->chunk[r->at];
	do
		n = read(r->fd, r->chunk, sizeof(r->chunk));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(-errno, "read the documents at byte %llu",
			    (unsigned long long)r->offset) -
		       1;
	r->at = 0;
	r->n = (size_t)n;
	return n ? (unsigned char)r->chunk[0] : -1;
}

static void step(struct import_json_read *r)
{
	char c = r->chunk[r->at++];

	r->offset++;
	r->bol = c == '\n';
	r->line += c == '\n';
}

/* Appends the current byte to the document and steps over it. */
static void take(struct import_json_read *r)
{
	char c = r->chunk[r->at];

	if (!r->doc.len && !r->too_big) {
		r->doc_offset = r->offset;
		r->doc_line = r->line;
	}
	if (!r->too_big && buf_u8(&r->doc, (uint8_t)c)) {
		r->too_big = true;
		buf_clear(&r->doc);
	}
	step(r);
}

/* The plain bytes of a string, which are most of any document, in one go. */
static void take_plain(struct import_json_read *r)
{
	const char *from = r->chunk + r->at;
	size_t n = 0;

	while (r->at + n < r->n && from[n] != '"' && from[n] != '\\' && from[n] != '\n')
		n++;
	if (!r->too_big && buf_add(&r->doc, from, n)) {
		r->too_big = true;
		buf_clear(&r->doc);
	}
	r->at += n;
	r->offset += n;
	r->bol = r->bol && !n;
}

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void reset(struct import_json_read *r)
{
	buf_clear(&r->doc);
	r->too_big = r->in_string = r->escaped = false;
	r->depth = 0;
	r->last = 0;
}

/* Follows strings and brackets over one byte. */
static void follow(struct import_json_read *r, char c)
{
	if (r->in_string) {
		r->in_string = r->escaped || c != '"';
		r->escaped = !r->escaped && c == '\\';
		return;
	}
	r->in_string = c == '"';
	r->depth += (c == '{' || c == '[') - (c == '}' || c == ']');
	if (!is_space(c))
		r->last = c;
}

/* Hands out what was gathered. */
static int emit(struct import_json_read *r, struct import_json_span *ret)
{
	*ret = (struct import_json_span){r->doc.data, r->doc.len, r->doc_offset, r->doc_line};
	while (ret->len && is_space(ret->text[ret->len - 1]))
		ret->len--;
	return r->too_big ? IMPORT_JSON_READ_TOO_BIG : 0;
}

static int skip_space(struct import_json_read *r, bool commas)
{
	int c;

	while ((c = peek(r)) >= 0 && (is_space(c) || (commas && c == ',')))
		step(r);
	return c;
}

/* The mark stands in front of everything, or nowhere. */
static void skip_bom(struct import_json_read *r)
{
	if (r->offset || peek(r) != 0xef || r->n < 3 ||
	    memcmp(r->chunk, "\xef\xbb\xbf", 3) != 0)
		return;
	r->at = 3;
	r->offset = 3;
}

static int next_line(struct import_json_read *r, struct import_json_span *ret)
{
	int c = skip_space(r, false);

	if (c == -1)
		return IMPORT_JSON_READ_END;
	while (c >= 0 && c != '\n') {
		const char *from = r->chunk + r->at, *nl = memchr(from, '\n', r->n - r->at);
		size_t n = nl ? (size_t)(nl - from) : r->n - r->at;

		if (!r->doc.len && !r->too_big) {
			r->doc_offset = r->offset;
			r->doc_line = r->line;
		}
		if (!r->too_big && buf_add(&r->doc, from, n)) {
			r->too_big = true;
			buf_clear(&r->doc);
		}
		r->at += n;
		r->offset += n;
		c = peek(r);
	}
	return c < -1 ? c + 1 : emit(r, ret);
}

/* The first line is complete (its newline is not taken): which shape is it? */
static int settle_first(struct import_json_read *r, bool *done)
{
	int c;

	r->shape = SHAPE_LINES;
	*done = true;
	if (r->depth <= 0)
		return 0;
	take(r);
	while ((c = peek(r)) >= 0 && is_space(c))
		take(r);
	if (c < -1)
		return c + 1;
	if (c == '{' && r->bol)
		return 0;
	r->shape = SHAPE_SPANS;
	r->in_string = r->escaped = false;
	*done = false;
	return 0;
}

static bool starts_afresh(const struct import_json_read *r, int c)
{
	return c == '{' && r->bol && r->depth > 0 && !strchr(":,[", r->last);
}

/* In SPANS and ARRAY a value that is no bracket ends with its line or at a comma. */
static bool ends_bare(const struct import_json_read *r, int c)
{
	if (r->depth || r->in_string)
		return false;
	return c == '\n' || (r->shape == SHAPE_ARRAY && (c == ',' || c == ']'));
}

static int next_span(struct import_json_read *r, struct import_json_span *ret)
{
	int c = skip_space(r, r->shape == SHAPE_ARRAY), f;

	if (c == -1)
		return IMPORT_JSON_READ_END;
	while ((c = peek(r)) >= 0) {
		bool done = false;

		if (r->shape == SHAPE_FIRST && c == '\n') {
			f = settle_first(r, &done);
			if (f || done)
				return f ? f : emit(r, ret);
			continue;
		}
		if ((r->doc.len || r->too_big) && (ends_bare(r, c) || starts_afresh(r, c)))
			break;
		follow(r, (char)c);
		take(r);
		if (r->in_string && !r->escaped)
			take_plain(r);
		if (r->shape != SHAPE_FIRST && r->depth <= 0 && (c == '}' || c == ']'))
			break;
	}
	return c < -1 ? c + 1 : emit(r, ret);
}

static int next_element(struct import_json_read *r, struct import_json_span *ret)
{
	int c = skip_space(r, true);

	if (c == ']' && !r->closed) {
		step(r);
		r->closed = true;
		c = skip_space(r, false);
	}
	if (c == -1 && r->closed)
		return IMPORT_JSON_READ_END;
	if (c == -1) { /* said once: the end of the file is where the bracket is missing */
		r->closed = true;
		r->doc_offset = r->offset;
		r->doc_line = r->line;
		return emit(r, ret);
	}
	return next_span(r, ret);
}

static int begin(struct import_json_read *r)
{
	int c;

	skip_bom(r);
	c = skip_space(r, false);
	if (r->shape != SHAPE_START)
		return 0;
	r->shape = c == '[' ? SHAPE_ARRAY : c == '{' ? SHAPE_FIRST : SHAPE_LINES;
	if (c == '[')
		step(r);
	return 0;
}

int import_json_read_next(struct import_json_read *r, struct import_json_span *ret)
{
	if (!r->offset)
		(void)begin(r);
	reset(r);
	switch (r->shape) {
	case SHAPE_ARRAY:
		return next_element(r, ret);
	case SHAPE_LINES:
		return next_line(r, ret);
	case SHAPE_START:
	case SHAPE_FIRST:
	case SHAPE_SPANS:
		break;
	}
	return next_span(r, ret);
}
