/* Options by table.
 *
 * Getopt keeps its state in globals, reorders argv and cannot be asked twice, so here is the little
 * that is needed: `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`, flags that may be bundled
 * (`-fq`), options and positional arguments in any order, and `--` before what is passed on
 * untouched. There are no abbreviations: what a script says today must mean the same when
 * a longer option of the same start arrives. Everything is a view into argv; nothing is printed.
 */
#include "tools/options.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { WHY_SHOWN = 80 };

const struct cli_option options_common[] = {
	{0, "home", "DIR",
	 "the home to work on (default $FRAG_HOME, else ~/.local/share/fragfs)"},
	{0, "json", NULL, "print one JSON document"},
	{'q', "quiet", NULL, "no progress"},
	{'h', "help", NULL, "explain the verb"},
	{0, "version", NULL, "print the version"},
	{0, NULL, NULL, NULL},
};

struct parse {
	const struct verb *verb;
	const struct options_line *line;
	struct options *to;
	struct buf *why;
	size_t n_pos;
	int at; /* next word */
};

static size_t count(const struct cli_option *o)
{
	size_t n = 0;

	while (o && o[n].name)
		n++;
	return n;
}

static int bad(struct parse *p, const char *what, const char *word)
{
	int r = buf_fmt(p->why, "%s '%.*s'", what, WHY_SHOWN, word);

	return r ? r : OPTIONS_BAD;
}

/* The next word of the line, the verb's own left out; NULL at the end. */
static const char *next_word(struct parse *p)
{
	if (p->at == p->line->skip)
		p->at += p->line->n_skip;
	if (p->at >= p->line->argc)
		return NULL;
	return p->line->argv[p->at++];
}

static const struct cli_option *find(const struct cli_option *table, const char *name,
				     size_t len, char letter)
{
	for (const struct cli_option *o = table; o && o->name; o++) {
		if (letter ? o->letter == letter
			   : strlen(o->name) == len && !strncmp(o->name, name, len))
			return o;
	}
	return NULL;
}

static const struct cli_option *find_any(const struct parse *p, const char *name, size_t len,
					 char letter)
{
	const struct cli_option *o = find(p->verb ? p->verb->options : NULL, name, len, letter);

	return o ? o : find(options_common, name, len, letter);
}

static void set_common(struct options *to, const struct cli_option *o, const char *value)
{
	if (!strcmp(o->name, "home"))
		to->home = value;
	else if (!strcmp(o->name, "json"))
		to->json = true;
	else if (!strcmp(o->name, "quiet"))
		to->quiet = true;
	else if (!strcmp(o->name, "help"))
		to->help = true;
	else
		to->version = true;
}

static bool repeats(const struct cli_option *o)
{
	size_t len = o->value ? strlen(o->value) : 0;

	return len > 4 && !strcmp(o->value + len - 4, ",...");
}

static void set(struct parse *p, const struct cli_option *o, const char *value)
{
	struct options *to = p->to;
	size_t i;

	if (o >= options_common && o < options_common + count(options_common)) {
		set_common(to, o, value);
		return;
	}
	i = (size_t)(o - p->verb->options);
	if (to->values[i] && repeats(o)) {
		char *both = alloc_fmt("%s,%s", to->values[i], value);

		to->owned[to->n_owned++] = both;
		to->values[i] = both;
		return;
	}
	to->values[i] = value;
}

static int long_option(struct parse *p, const char *word)
{
	const char *name = word + 2, *eq = strchr(name, '='), *value;
	const struct cli_option *o =
		find_any(p, name, eq ? (size_t)(eq - name) : strlen(name), 0);

	if (!o)
		return bad(p, "there is no option", word);
	if (!o->value && eq)
		return bad(p, "no value belongs to option", word);
	value = eq ? eq + 1 : o->value ? next_word(p) : "";
	if (!value)
		return bad(p, "a value is missing after", word);
	set(p, o, value);
	return 0;
}

static int short_options(struct parse *p, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct cli_option *o = find_any(p, NULL, 0, *c);
		const char *value = "";

		if (!o)
			return bad(p, "there is no option", word);
		if (o->value) {
			value = c[1] ? c + 1 : next_word(p);
			if (!value)
				return bad(p, "a value is missing after", word);
		}
		set(p, o, value);
		if (o->value)
			return 0;
	}
	return 0;
}

static void take_rest(struct parse *p)
{
	int from = p->at;

	if (from == p->line->skip)
		from += p->line->n_skip;
	p->to->args.rest = (const char *const *)(p->line->argv + from);
	p->to->args.n_rest = (size_t)(p->line->argc - from);
	p->at = p->line->argc;
}

static int check_count(struct parse *p)
{
	const struct verb *v = p->verb;
	int r = 0;

	if (!v || p->to->help || p->to->version)
		return 0;
	if (p->n_pos < v->min_pos)
		r = buf_fmt(p->why, "an argument is missing: frag %s %s", v->name, v->synopsis);
	else if (p->n_pos > v->max_pos)
		return bad(p, "one argument too many:", p->to->pos[v->max_pos]);
	else
		return 0;
	return r ? r : OPTIONS_BAD;
}

int options_parse(const struct verb *v, const struct options_line *line, struct options *ret,
		  struct buf *why)
{
	struct parse p = {.verb = v, .line = line, .to = ret, .why = why, .at = 1};
	const char *word;
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	ret->values = alloc_array(count(v ? v->options : NULL) + 1, sizeof(*ret->values));
	ret->pos = alloc_array((size_t)line->argc + 1, sizeof(*ret->pos));
	ret->owned = alloc_array((size_t)line->argc + 1, sizeof(*ret->owned));
	while (!r && (word = next_word(&p))) {
		if (!strcmp(word, "--"))
			take_rest(&p);
		else if (word[0] == '-' && word[1] == '-')
			r = long_option(&p, word);
		else if (word[0] == '-' && word[1])
			r = short_options(&p, word);
		else
			ret->pos[p.n_pos++] = word;
	}
	ret->args.values = ret->values;
	ret->args.pos = ret->pos;
	ret->args.n_pos = p.n_pos;
	return r ? r : check_count(&p);
}

void options_deinit(struct options *o)
{
	for (size_t i = 0; i < o->n_owned; i++)
		free(o->owned[i]);
	free(o->owned);
	free(o->values);
	free(o->pos);
	memset(o, 0, sizeof(*o));
}

int options_skip_common(int argc, char *const *argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--home"))
			i++;
	}
	return i < argc ? i : argc;
}

int options_verb(const struct verb *const *table, int argc, char *const *argv, int at,
		 const struct verb **ret)
{
	int best = 0;

	for (const struct verb *const *v = table; at < argc && *v; v++) {
		size_t len = strlen(argv[at]);
		const char *name = (*v)->name;
		int n = 1;

		if (strncmp(name, argv[at], len) || (name[len] && name[len] != ' '))
			continue;
		if (name[len] == ' ') {
			if (at + 1 >= argc || strcmp(name + len + 1, argv[at + 1]))
				continue;
			n = 2;
		}
		if (n > best) {
			best = n;
			*ret = *v;
		}
	}
	return best;
}
