/* Matching, by PCRE2 with its just-in-time compiler.
 *
 * The pattern runs over the whole content, which is how the compiler's fast search for a first
 * byte pays; a match is then looked for again in its line alone, because a line is what is
 * asked about and a match across line ends is none. Bytes that are not UTF-8 match nothing but
 * are no error.
 *
 * A pattern may take exponential time. Matches are counted and bounded, so is the stack of
 * the compiled code; a content that exceeds them is given up and counted, the search goes on.
 */
#include "store/search_scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/alloc.h"
#include "base/error.h"

enum {
	BINARY_LOOK = 8192,
	MATCH_LIMIT = 10000000,
	DEPTH_LIMIT = 10000,
	HEAP_LIMIT_KIB = 16 << 10,
	STACK_FIRST = 32 << 10,
	STACK_MOST = 1 << 20,
};

struct search_pattern {
	pcre2_code *code;
};

struct search_scan {
	const struct search_pattern *pattern;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	pcre2_match_data *match;
};

static uint32_t compile_options(const struct search_options *o)
{
	uint32_t opts = PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;

	if (o->literal)
		opts = PCRE2_LITERAL;
	opts |= PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
	return o->ignore_case ? opts | PCRE2_CASELESS : opts;
}

int search_pattern_new(const struct search_options *o, struct search_pattern **ret,
		       char why[SEARCH_WHY_MAX])
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	struct search_pattern *p;
	pcre2_code *code;
	PCRE2_SIZE at;
	int err;

	if (!context)
		return fail(-ENOMEM, "compile a pattern");
	(void)pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
	code = pcre2_compile((PCRE2_SPTR)o->pattern, PCRE2_ZERO_TERMINATED, compile_options(o),
			     &err, &at, context);
	pcre2_compile_context_free(context);
	if (!code) {
		PCRE2_UCHAR words[128] = "";

		(void)pcre2_get_error_message(err, words, sizeof(words));
		(void)snprintf(why, SEARCH_WHY_MAX, "%s at byte %zu", (const char *)words,
			       at + 1);
		return SEARCH_BAD_PATTERN;
	}
	/* Where there is no compiler for this machine, the interpreter does. */
	(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	p = alloc_zero(sizeof(*p));
	p->code = code;
	*ret = p;
	return 0;
}

void search_pattern_free(struct search_pattern *p)
{
	if (!p)
		return;
	pcre2_code_free(p->code);
	free(p);
}

int search_scan_new(const struct search_pattern *p, struct search_scan **ret)
{
	struct search_scan *s = alloc_zero(sizeof(*s));

	s->pattern = p;
	s->context = pcre2_match_context_create(NULL);
	s->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MOST, NULL);
	s->match = pcre2_match_data_create_from_pattern(p->code, NULL);
	if (!s->context || !s->match) {
		search_scan_free(s);
		return fail(-ENOMEM, "prepare to match a pattern");
	}
	(void)pcre2_set_match_limit(s->context, MATCH_LIMIT);
	(void)pcre2_set_depth_limit(s->context, DEPTH_LIMIT);
	(void)pcre2_set_heap_limit(s->context, HEAP_LIMIT_KIB);
	if (s->stack)
		pcre2_jit_stack_assign(s->context, NULL, s->stack);
	*ret = s;
	return 0;
}

void search_scan_free(struct search_scan *s)
{
	if (!s)
		return;
	pcre2_match_data_free(s->match);
	pcre2_jit_stack_free(s->stack);
	pcre2_match_context_free(s->context);
	free(s);
}

bool search_is_binary(const char *data, size_t len)
{
	return memchr(data, '\0', len < BINARY_LOOK ? len : BINARY_LOOK) != NULL;
}

/* The first match at or after `from`: true with its place. */
static bool find(struct search_scan *s, const char *data, size_t len, size_t from, size_t at[2],
		 struct search_hits *h)
{
	int r = pcre2_match(s->pattern->code, (PCRE2_SPTR)data, len, from, 0, s->match,
			    s->context);
	const PCRE2_SIZE *v;

	if (r < 0) {
		h->costly = h->costly || (r != PCRE2_ERROR_NOMATCH && r != PCRE2_ERROR_PARTIAL);
		return false;
	}
	v = pcre2_get_ovector_pointer(s->match);
	at[0] = v[0];
	/* \K may put the start behind the end. */
	at[1] = v[1] > v[0] ? v[1] : v[0];
	return true;
}

static void keep(struct search_hits *h, uint32_t line, const char *text, size_t len,
		 const size_t at[2])
{
	struct search_line *l;
	char *copy;

	if (h->n == SEARCH_LINES_MAX) {
		h->cut = true;
		return;
	}
	if (len && text[len - 1] == '\r')
		len--;
	if (len > SEARCH_TEXT_MAX)
		len = SEARCH_TEXT_MAX;
	alloc_grow(&h->lines, &h->cap, h->n + 1, sizeof(*h->lines));
	copy = alloc_copy(text, len);
	l = &h->lines[h->n++];
	*l = (struct search_line){.line = line,
				  .column = (uint32_t)at[0] + 1,
				  .len = (uint32_t)len,
				  .text = copy};
	if (at[0] < len)
		l->match_len = (uint32_t)((at[1] < len ? at[1] : len) - at[0]);
	h->text_len += len;
}

static uint32_t count_lines(const char *from, const char *to)
{
	uint32_t n = 0;

	while ((from = memchr(from, '\n', (size_t)(to - from)))) {
		n++;
		from++;
	}
	return n;
}

void search_scan_run(struct search_scan *s, const char *data, size_t len, struct search_hits *h)
{
	const char *end = data + len, *counted = data;
	uint32_t line = 1;
	size_t at[2];

	for (size_t from = 0; from < len && !h->cut && find(s, data, len, from, at, h);) {
		/* An empty match at the very end is in no line. */
		size_t hit = at[0] < len ? at[0] : len - 1;
		const char *start = memrchr(data, '\n', hit), *stop;

		start = start ? start + 1 : data;
		if (start < data + from)
			start = data + from;
		stop = memchr(start, '\n', (size_t)(end - start));
		stop = stop ? stop : end;
		line += count_lines(counted, start);
		counted = start;
		if (find(s, start, (size_t)(stop - start), 0, at, h))
			keep(h, line, start, (size_t)(stop - start), at);
		from = (size_t)(stop - data) + 1;
	}
}

void search_hits_deinit(struct search_hits *h)
{
	for (size_t i = 0; i < h->n; i++)
		free((void *)(uintptr_t)h->lines[i].text);
	free(h->lines);
	*h = (struct search_hits){0};
}
