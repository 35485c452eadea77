/* tests/peers/http_head.c - strict where it costs nothing: one space, CRLF or LF, names of token letters.
 *
 * A length that is said twice, or together with chunks, is refused: two readers could disagree about it.
 */
#include "tests/peers/http_head.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_name(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	return true;
}

static bool read_status(const char *line, unsigned *ret)
{
	if (strncmp(line, "HTTP/1.", 7) || (line[7] != '0' && line[7] != '1') || line[8] != ' ')
		return false;
	for (int i = 9; i < 12; i++)
		if (!isdigit((unsigned char)line[i]))
			return false;
	*ret = (unsigned)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
	return *ret >= 100 && (line[12] == ' ' || !line[12]);
}

static bool read_field(struct http_head *h, char *line)
{
	char *colon = strchr(line, ':'), *value, *end;

	if (!colon || h->n == HTTP_FIELDS_MAX)
		return false;
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	h->fields[h->n].name = line;
	h->fields[h->n++].value = value;
	if (!strcasecmp(line, "Transfer-Encoding")) {
		if (strcasecmp(value, "chunked") || h->body != HTTP_UNTIL_CLOSE)
			return false;
		h->body = HTTP_CHUNKED;
	} else if (!strcasecmp(line, "Content-Length")) {
		if (!*value || strlen(value) > 18 ||
		    strspn(value, "0123456789") != strlen(value) || h->body != HTTP_UNTIL_CLOSE)
			return false;
		h->body = HTTP_LENGTH;
		h->content_len = strtoull(value, NULL, 10);
	}
	return is_name(line);
}

/* Where the empty line ends, or 0. */
static size_t head_len(const char *text, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (text[i] != '\n')
			continue;
		if (text[i + 1] == '\n')
			return i + 2;
		if (i + 2 < len && text[i + 1] == '\r' && text[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

int http_head_parse(char *text, size_t len, struct http_head *ret)
{
	char *at = text, *end;
	bool first = true;

	*ret = (struct http_head){.len = head_len(text, len)};
	if (!ret->len)
		return len > HTTP_HEAD_MAX ? HTTP_BAD : HTTP_SHORT;
	end = text + ret->len;
	if (ret->len > HTTP_HEAD_MAX || memchr(text, '\0', ret->len))
		return HTTP_BAD;
	while (at < end) {
		char *nl = memchr(at, '\n', (size_t)(end - at));

		*nl = '\0';
		if (nl > at && nl[-1] == '\r')
			nl[-1] = '\0';
		if (first ? !read_status(at, &ret->status) : *at && !read_field(ret, at))
			return HTTP_BAD;
		first = false;
		at = nl + 1;
	}
	return 0;
}

enum { SIZE, SIZE_REST, DATA, DATA_END, TRAILER, END };

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte that is no data. False: it may not stand here. */
static bool step_byte(struct http_chunks *c, char byte)
{
	switch (c->state) {
	case SIZE:
		if (hex(byte) >= 0 && c->line_len < 15) {
			c->left = c->left << 4 | (unsigned)hex(byte);
			c->line_len++;
			return true;
		}
		if (!c->line_len ||
		    (byte != '\r' && byte != '\n' && byte != ';' && byte != ' '))
			return false;
		c->state = SIZE_REST;
		return step_byte(c, byte);
	case SIZE_REST:
		if (byte == '\n')
			c->state = c->left ? DATA : TRAILER;
		c->line_len = byte == '\n' ? 0 : c->line_len + 1;
		return c->line_len < HTTP_HEAD_MAX;
	case DATA_END:
		if (byte == '\n')
			c->state = SIZE;
		return byte == '\n' || byte == '\r';
	default: /* TRAILER: lines until an empty one */
		if (byte == '\n' && !c->line_len)
			c->state = END;
		else if (byte == '\n')
			c->line_len = 0;
		else if (byte != '\r')
			c->line_len++;
		return c->line_len < HTTP_HEAD_MAX;
	}
}

int http_chunks_step(struct http_chunks *c, const char *in, size_t len, char *out, size_t max,
		     size_t *used, size_t *made)
{
	*used = *made = 0;
	while (c->state != END && *used < len) {
		size_t n = len - *used;

		if (c->state != DATA) {
			if (!step_byte(c, in[(*used)++]))
				return HTTP_BAD;
			continue;
		}
		n = n < c->left ? n : (size_t)c->left;
		n = n < max - *made ? n : max - *made;
		if (!n)
			return 0;
		memcpy(out + *made, in + *used, n);
		*used += n;
		*made += n;
		c->left -= n;
		if (!c->left)
			c->state = DATA_END;
	}
	return c->state == END ? HTTP_SHORT : 0;
}
