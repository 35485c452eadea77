/* Help and manual pages from the verb table.
 *
 * The table is the only description of a verb; the parser, `--help`, the manual pages and the completion
 * all read it, so they cannot disagree. Help text is paragraphs separated by empty lines; a line that starts
 * with two spaces is kept as it is (an example), other lines are filled by whoever shows them.
 */
#include "tools/help.h"

#include <stdbool.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/options.h"
#include "tools/verbs.h"

#ifndef FRAG_VERSION
#define FRAG_VERSION "unknown"
#endif

enum { NAME_WIDTH = 16, OPTION_WIDTH = 22, LINE_WIDTH = 80 };

static const char exit_statuses[] =
	"0 done, 1 a refusal or a failure (said on standard error), "
	"2 a command line that makes no sense.";

void help_version(FILE *out)
{
	(void)fprintf(out, "frag %s\n", FRAG_VERSION);
}

void help_overview(FILE *out)
{
	(void)fputs("frag: every version of every project, as directories\n\n"
		    "usage: frag [--home DIR] [--json] [-q] <verb> [<arguments>]\n\n",
		    out);
	for (const struct verb *const *v = verbs; *v; v++) {
		if (!(*v)->hidden)
			(void)fprintf(out, "  %-*s %s\n", NAME_WIDTH, (*v)->name,
				      (*v)->summary);
	}
	(void)fputs("\n`frag help <verb>` explains one. All of them take --json, --home DIR "
		    "and -q.\n",
		    out);
}

unsigned help_group(FILE *out, const char *group)
{
	size_t len = strlen(group);
	unsigned n = 0;

	for (const struct verb *const *v = verbs; *v; v++) {
		if (strncmp((*v)->name, group, len) || (*v)->name[len] != ' ')
			continue;
		if (out)
			(void)fprintf(out, "  frag %s %s\n      %s\n", (*v)->name,
				      (*v)->synopsis, (*v)->summary);
		n++;
	}
	return n;
}

static void put_option(FILE *out, const struct cli_option *o)
{
	char left[96];
	int n = snprintf(left, sizeof(left), "  %c%c%s--%s%s%s", o->letter ? '-' : ' ',
			 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
			 o->value ? " " : "", o->value ? o->value : "");

	if (n > OPTION_WIDTH + 2)
		(void)fprintf(out, "%s\n  %*s %s\n", left, OPTION_WIDTH, "", o->help);
	else
		(void)fprintf(out, "%-*s %s\n", OPTION_WIDTH + 2, left, o->help);
}

/* Fills ordinary lines to LINE_WIDTH columns; lines that start with a space stay as they are. */
static void put_filled(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t line = strcspn(text, "\n"), n;

		if (!line || *text == ' ') {
			(void)fprintf(out, "%s%.*s\n", column ? "\n" : "", (int)line, text);
			column = 0;
			text += line + (text[line] == '\n');
			continue;
		}
		text += strspn(text, " ");
		n = strcspn(text, " \n");
		if (column && column + 1 + n > LINE_WIDTH) {
			(void)fputc('\n', out);
			column = 0;
		}
		(void)fprintf(out, "%s%.*s", column ? " " : "", (int)n, text);
		column += n + (column ? 1 : 0);
		text += n;
		while (*text == ' ')
			text++;
		if (*text == '\n')
			text++;
	}
	if (column)
		(void)fputc('\n', out);
}

void help_verb(FILE *out, const struct verb *v)
{
	(void)fprintf(out, "usage: frag %s %s\n\n%s.\n", v->name, v->synopsis, v->summary);
	if (v->help) {
		(void)fputc('\n', out);
		put_filled(out, v->help);
	}
	(void)fputs("\noptions:\n", out);
	for (const struct cli_option *o = v->options; o && o->name; o++)
		put_option(out, o);
	for (const struct cli_option *o = options_common; o->name; o++)
		put_option(out, o);
	(void)fprintf(out, "\nexit status: %s\n", exit_statuses);
}

/* A word or paragraph in troff: nothing in it may be taken for a request or an escape. */
static void put_troff(FILE *out, const char *s, size_t len)
{
	bool line_start = true;

	for (size_t i = 0; i < len; i++) {
		if (line_start && (s[i] == '.' || s[i] == '\''))
			(void)fputs("\\&", out);
		if (s[i] == '\\')
			(void)fputs("\\e", out);
		else if (s[i] == '-')
			(void)fputs("\\-", out);
		else
			(void)fputc(s[i], out);
		line_start = s[i] == '\n';
	}
}

static void put_troff_str(FILE *out, const char *s)
{
	put_troff(out, s, strlen(s));
}

static void manual_text(FILE *out, const char *text)
{
	bool example = false;

	while (*text) {
		size_t n = strcspn(text, "\n");
		bool now = n && *text == ' ';

		if (now != example)
			(void)fputs(now ? ".PP\n.nf\n" : ".fi\n", out);
		example = now;
		if (!n && !example)
			(void)fputs(".PP\n", out);
		put_troff(out, text, n);
		if (n)
			(void)fputc('\n', out);
		text += n + (text[n] == '\n');
	}
	if (example)
		(void)fputs(".fi\n", out);
}

static void manual_options(FILE *out, const struct cli_option *o)
{
	for (; o && o->name; o++) {
		(void)fputs(".TP\n", out);
		if (o->letter)
			(void)fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
		(void)fputs("\\fB\\-\\-", out);
		put_troff_str(out, o->name);
		(void)fprintf(out, "\\fR%s", o->value ? " \\fI" : "");
		if (o->value) {
			put_troff_str(out, o->value);
			(void)fputs("\\fR", out);
		}
		(void)fputc('\n', out);
		put_troff_str(out, o->help);
		(void)fputc('\n', out);
	}
}

static void manual_head(FILE *out, const char *name, const char *summary)
{
	(void)fputs(".TH \"", out);
	for (const char *c = name; *c; c++)
		(void)fputc(*c == ' ' ? '-' : *c, out);
	(void)fprintf(out, "\" 1 \"\" \"fragfs %s\" \"fragfs\"\n.SH NAME\n", FRAG_VERSION);
	for (const char *c = name; *c; c++)
		put_troff(out, *c == ' ' ? "-" : c, 1);
	(void)fputs(" \\- ", out);
	put_troff_str(out, summary);
	(void)fputs("\n.SH SYNOPSIS\n.B ", out);
}

static void manual_program(FILE *out)
{
	manual_head(out, "frag", "every version of every project, as directories");
	(void)fputs(
		"frag\n[\\fB\\-\\-home\\fR \\fIDIR\\fR] [\\fB\\-\\-json\\fR] [\\fB\\-q\\fR] "
		"\\fIverb\\fR [\\fIarguments\\fR]\n.SH VERBS\n",
		out);
	for (const struct verb *const *v = verbs; *v; v++) {
		(void)fputs(".TP\n.B ", out);
		put_troff_str(out, (*v)->name);
		(void)fputc('\n', out);
		put_troff_str(out, (*v)->summary);
		(void)fputs(".\n", out);
	}
	(void)fputs(".SH OPTIONS\n", out);
	manual_options(out, options_common);
	(void)fputs(
		".SH ENVIRONMENT\n.TP\n.B FRAG_HOME\nThe home to work on.\n.TP\n"
		".B FRAG_LOG\nerr, warn, info or debug: how much is said on standard error "
		"and in the daemon's log.\n.TP\n.B NO_COLOR\nWhen set, nothing is coloured.\n",
		out);
}

void help_manual(FILE *out, const struct verb *v)
{
	char name[128];

	if (!v) {
		manual_program(out);
	} else {
		(void)snprintf(name, sizeof(name), "frag %s", v->name);
		manual_head(out, name, v->summary);
		put_troff_str(out, name);
		(void)fputs("\n", out);
		put_troff_str(out, v->synopsis);
		(void)fputs("\n.SH DESCRIPTION\n", out);
		put_troff_str(out, v->summary);
		(void)fputs(".\n", out);
		if (v->help) {
			(void)fputs(".PP\n", out);
			manual_text(out, v->help);
		}
		(void)fputs(".SH OPTIONS\n", out);
		manual_options(out, v->options);
		manual_options(out, options_common);
	}
	(void)fputs(".SH EXIT STATUS\n", out);
	put_troff_str(out, exit_statuses);
	(void)fputs(v ? "\n.SH SEE ALSO\n\\fBfrag\\fR(1)\n" : "\n", out);
}
