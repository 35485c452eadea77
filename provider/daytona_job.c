/* provider/daytona_job.c - the scripts of daytona_job.h, and the reader of their answers.
 *
 * `control` is the same for every request and gets its arguments as words; what may hold any byte (the command, pieces of input)
 * comes as base64 through a heredoc, since the toolbox takes UTF-8 only and one word of a command line
 * ends at 128 KiB. It must hold no single quote.
 *
 * `run` is the job: two processes in sessions of their own, the outer of which outlives a signal to the inner
 * one's group and writes down its status. setsid -f starts it in the foreground: behind `&`, sh would have it ignore SIGINT
 * for good. A job whose outer process was killed (memory ran out) is found lost by the next look.
 */
#include "provider/daytona_job.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/base64.h"
#include "base/buf.h"
#include "provider/provider.h"

enum { SCRIPT_MAX = 4 << 20, TICK_MS = 100, FAST_TICKS = 25, FAST_MS = 20 };

#define JOBS "/tmp/.frag-exec"

static const char control[] =
	"umask 077\n"
	"d=" JOBS "/$2\n"
	"nap() { sleep \"$1\" 2>/dev/null || sleep 1; }\n"
	/* part FILE OFFSET LENGTH */
	"part() {\n"
	" [ \"$3\" -le 0 ] || tail -c \"+$(($2 + 1))\" \"$1\" | head -c \"$3\" | base64 | tr "
	"-d \"\\n\"\n"
	" echo\n"
	"}\n"
	/* whether the outer process went away without a word */
	"missed() {\n"
	" [ -f job ] && read -r p <job && ! kill -0 \"$p\" 2>/dev/null && [ ! -f x ] && : "
	">lost\n"
	"}\n"
	/* look ID OFFSET OFFSET FED TICKS SLICE */
	"look() {\n"
	" [ ! -f old ] || { echo \"frag1 $1 gone\"; return; }\n"
	" n=0 g=0\n"
	" while :; do\n"
	"  x=- k=0\n"
	"  [ ! -f lost ] || x=lost\n"
	"  [ ! -f x ] || read -r x <x\n"
	"  [ ! -f next ] || read -r k <next\n"
	"  a=$(($(wc -c <1))) b=$(($(wc -c <2)))\n"
	"  [ \"$x\" = - ] || break\n"
	"  if [ \"$a\" -gt \"$2\" ] || [ \"$b\" -gt \"$3\" ] || [ \"$k\" -gt \"$4\" ]; then\n"
	/* once more: a command that says its last word usually ends now */
	"   [ $g = 0 ] && [ $((a - $2)) -lt \"$6\" ] && [ $((b - $3)) -lt \"$6\" ] || break\n"
	"   g=1\n"
	"  fi\n"
	"  [ $n -lt \"$5\" ] || break\n"
	"  n=$((n + 1))\n"
	"  if [ $n -lt 25 ]; then nap 0.02; else nap 0.1; missed; fi\n"
	" done\n"
	" i=$((a - $2)) j=$((b - $3))\n"
	" [ $i -le \"$6\" ] || i=$6\n"
	" [ $j -le \"$6\" ] || j=$6\n"
	" echo \"frag1 $1 $2 $3 $x $a $b $k $i $j\"\n"
	" part 1 \"$2\" $i\n"
	" part 2 \"$3\" $j\n"
	"}\n"
	"start() {\n"
	" w=$(pwd)\n"
	" mkdir -p \"$d\" && cd \"$d\" || exit 1\n"
	" if mkdir begun 2>/dev/null; then\n"
	"  printf %s \"$w\" >wd && base64 -d >run && : >1 && : >2 || exit 1\n"
	"  if setsid -f true 2>/dev/null; then\n"
	"   setsid -f sh run </dev/null >/dev/null 2>&1\n"
	"  else\n"
	"   sh run </dev/null >/dev/null 2>&1 &\n"
	"  fi\n"
	" else\n"
	"  t=0\n"
	"  while [ ! -f 2 ] && [ ! -f old ] && [ $t -lt 200 ]; do t=$((t + 1)); nap 0.05; "
	"done\n"
	" fi\n"
	" look \"$1\" 0 0 0 \"$2\" \"$3\"\n"
	"}\n"
	"feed() {\n"
	" k=0\n"
	" [ ! -f next ] || read -r k <next\n"
	" if [ \"$2\" -ge \"$k\" ] && [ ! -e \"in.$2\" ]; then\n"
	"  base64 -d >\"t.$2.$$\" && mv \"t.$2.$$\" \"in.$2\" || exit 1\n"
	" fi\n"
	" echo \"frag1 $1 done\"\n"
	"}\n"
	/* take ID N SIZE: what was uploaded as u.N */
	"take() {\n"
	" k=0\n"
	" [ ! -f next ] || read -r k <next\n"
	" if [ \"$2\" -ge \"$k\" ] && [ ! -e \"in.$2\" ]; then\n"
	"  [ \"$(($(wc -c <\"u.$2\")))\" = \"$3\" ] && mv \"u.$2\" \"in.$2\" || exit 1\n"
	" fi\n"
	" echo \"frag1 $1 done\"\n"
	"}\n"
	"end() {\n"
	" : >\"end.$2\" && echo \"frag1 $1 done\"\n"
	"}\n"
	/* strike SIGNAL PID: the group, or what can be had of it */
	"strike() {\n"
	" kill -s \"$1\" -- \"-$2\" 2>/dev/null || kill -s \"$1\" \"$2\" 2>/dev/null ||\n"
	"  sudo -n kill -s \"$1\" -- \"-$2\" 2>/dev/null\n"
	"}\n"
	"signal() {\n"
	" t=0\n"
	" while [ ! -s pid ] && [ ! -f x ] && [ $t -lt 100 ]; do t=$((t + 1)); nap 0.02; done\n"
	" [ ! -f x ] && [ -s pid ] || { echo \"frag1 $1 over\"; return; }\n"
	" read -r p <pid && strike \"$2\" \"$p\"\n"
	" echo \"frag1 $1 done\"\n"
	"}\n"
	"resize() {\n"
	" [ ! -f tty ] || { read -r p <tty && stty rows \"$2\" cols \"$3\" <\"$p\"; }\n"
	" echo \"frag1 $1 done\"\n"
	"}\n"
	"clean() {\n"
	" [ -f x ] || [ ! -s pid ] || { read -r p <pid && strike KILL \"$p\"; }\n"
	" : >old && rm -rf run cmd wd 1 2 in in.* u.* end.* t.* x next pid job lost kept tty\n"
	" find \"" JOBS "\" -mindepth 2 -maxdepth 2 -name old -mmin +10 2>/dev/null |\n"
	"  while read -r f; do rm -rf \"${f%/old}\"; done\n"
	" find \"" JOBS "\" -mindepth 2 -maxdepth 2 -name x -mmin +60 2>/dev/null |\n"
	"  while read -r f; do rm -rf \"${f%/x}\"; done\n"
	" echo \"frag1 $1 done\"\n"
	"}\n"
	"list() {\n"
	" for f in \"" JOBS "\"/*/kept; do\n"
	"  [ -f \"$f\" ] && cd \"${f%/kept}\" || continue\n"
	"  x=- j=${f%/kept}\n"
	"  [ ! -f job ] || missed\n"
	"  [ ! -f lost ] || x=lost\n"
	"  [ ! -f x ] || read -r x <x\n"
	"  echo \"frag1 job ${j##*/} $x $(stat -c %Y begun 2>/dev/null || echo 0) $(cat "
	"kept)\"\n"
	" done\n"
	"}\n"
	"v=$1\n"
	"shift\n"
	"if [ $v != start ] && [ $v != list ] && ! cd \"$d\" 2>/dev/null; then\n"
	" echo \"frag1 $1 gone\"\n"
	"else\n"
	" $v \"$@\"\n"
	"fi\n";

void daytona_job_nonce(char ret[DAYTONA_JOB_ID_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[DAYTONA_JOB_ID_LEN / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		abort(); /* as alloc.h does */
	for (size_t i = 0; i < sizeof(bytes); i++) {
		ret[2 * i] = digits[bytes[i] >> 4];
		ret[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret[DAYTONA_JOB_ID_LEN] = '\0';
}

bool daytona_job_env_good(const char *pair)
{
	const char *p = pair;

	if (!isalpha((unsigned char)*p) && *p != '_')
		return false;
	while (isalnum((unsigned char)*p) || *p == '_')
		p++;
	return *p == '=';
}

int daytona_job_quote(struct buf *b, const char *text)
{
	int r = buf_str(b, "'");

	while (!r && *text) {
		size_t n = strcspn(text, "'");

		r = buf_add(b, text, n);
		text += n;
		if (!r && *text) {
			r = buf_str(b, "'\\''");
			text++;
		}
	}
	return r ? r : buf_str(b, "'");
}

int daytona_job_path(struct buf *b, const char *id, const char *name)
{
	return buf_fmt(b, JOBS "/%s/%s", id, name);
}

/* The word list behind "control", up to the end of the line. */
__attribute__((format(printf, 2, 3))) static int put_call(struct buf *b, const char *fmt, ...)
{
	char words[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	return buf_fmt(b, "exec sh -c '%s' frag %s", control, words);
}

/* A heredoc of base64, in lines that no reader finds too long. */
static int put_payload(struct buf *b, const void *data, size_t len)
{
	const char *p = data;
	int r = buf_str(b, " <<'.'\n");

	for (; !r && len; p += len > 57 ? 57 : len, len -= len > 57 ? 57 : len) {
		r = base64_put(b, p, len > 57 ? 57 : len);
		if (!r)
			r = buf_str(b, "\n");
	}
	return r ? r : buf_str(b, ".\n");
}

int daytona_job_script(struct buf *b, const char *script)
{
	int r = buf_str(b, "exec sh -c 'base64 -d | sh'");

	return r ? r : put_payload(b, script, strlen(script));
}

static int ticks_of(int64_t wait_ms)
{
	int64_t n = wait_ms / FAST_MS;

	if (n > FAST_TICKS)
		n = FAST_TICKS + (wait_ms - FAST_TICKS * FAST_MS) / TICK_MS;
	return n < 0 ? 0 : n > 6000 ? 6000 : (int)n;
}

static int put_words(struct buf *b, const char *before, const char *word, const char *after)
{
	int r = buf_str(b, before);

	r = r ? r : daytona_job_quote(b, word);
	return r ? r : buf_str(b, after);
}

/* Says who it is and goes where it should be. */
static int put_entry(struct buf *b, const struct daytona_job_command *cmd)
{
	int r = buf_str(b, "d=$PWD w=$(cat wd)\n");

	if (!r && cmd->tty)
		r = buf_fmt(b, "tty >tty; stty rows %u cols %u\n", cmd->rows, cmd->cols);
	if (!r && cmd->cwd)
		return put_words(b, "cd ", cmd->cwd, " || exit 127\n");
	if (!r && cmd->project)
		r = put_words(b, *cmd->project == '/' ? "cd " : "cd ~/", cmd->project,
			      " 2>/dev/null || ");
	return r ? r : buf_str(b, "cd \"$w\"\n");
}

/* Becomes the command. */
static int put_command(struct buf *b, const struct daytona_job_command *cmd)
{
	const char *const shell[] = {"sh", "-c", cmd->shell, NULL};
	int r = 0;

	for (const char *const *e = cmd->env; !r && e && *e; e++) {
		const char *value = strchr(*e, '=') + 1;

		r = buf_fmt(b, "export %.*s", (int)(value - *e), *e);
		r = r ? r : put_words(b, "", value, "\n");
	}
	r = r ? r : buf_str(b, "set --");
	for (const char *const *a = cmd->argv ? cmd->argv : shell; !r && *a; a++)
		r = put_words(b, " ", *a, "");
	return r ? r : buf_str(b, "\nexec \"$@\"\n");
}

/* What the inner process runs. As somebody else, the command is one word of sudo, who may not read our files. */
static int put_inner(struct buf *b, const struct daytona_job_command *cmd)
{
	/* Last, and by no other program: while it waits for one, bash lets a SIGINT pass. */
	static const char appear[] = "echo $$ >\"$d/pid\"\nunset d w\n";
	CLEANUP(buf_deinit) struct buf words = {0};
	int r = put_entry(b, cmd);

	if (!cmd->user) {
		r = r ? r : buf_str(b, appear);
		return r ? r : put_command(b, cmd);
	}
	buf_init(&words, SCRIPT_MAX);
	r = r ? r : put_command(&words, cmd);
	r = r ? r : put_words(b, "u=", cmd->user, "\n");
	r = r ? r
	      : buf_str(b, "a=\"sudo -n -u $u --\"\n"
			   "[ \"$(id -u)\" != 0 ] || a=\"runuser -u $u --\"\n"
			   "[ \"$(id -un)\" != \"$u\" ] || a=\n");
	r = r ? r : buf_str(b, appear);
	return r ? r : put_words(b, "exec $a sh -c ", words.data, "\n");
}

/* Feeds what comes in pieces. */
static const char feeder[] = "n=0\n"
			     "while [ ! -f x ]; do\n"
			     " if [ -f \"in.$n\" ]; then\n"
			     "  cat \"in.$n\" || break\n"
			     "  o=$n n=$((n + 1))\n"
			     "  echo $n >next.t && mv next.t next && rm -f \"in.$o\"\n"
			     " elif [ -f \"end.$n\" ]; then break\n"
			     " else sleep 0.02 2>/dev/null || sleep 1\n"
			     " fi\n"
			     "done |\n";

/* The name it is listed by. */
static int put_name(struct buf *b, const struct daytona_job_command *cmd)
{
	CLEANUP(buf_deinit) struct buf name = {0};
	const char *const *a = cmd->argv;
	int r;

	buf_init(&name, 256);
	if (!a)
		(void)buf_add(&name, cmd->shell, strnlen(cmd->shell, 255));
	for (size_t room = 255; a && *a && room > 1; a++) {
		size_t n = strnlen(*a, room - 1);

		(void)buf_add(&name, *a, n);
		(void)buf_str(&name, a[1] ? " " : "");
		room = 255 - name.len;
	}
	r = buf_str(b, "echo ");
	r = r ? r : base64_put(b, name.data, name.len);
	return r ? r : buf_str(b, " >kept\n");
}

/* The outer process. Its only words are files. */
static int put_run(struct buf *b, const struct daytona_job_command *cmd)
{
	static const char *const inputs[] = {
		[DAYTONA_JOB_NOTHING] = " </dev/null",
		[DAYTONA_JOB_FILE] = " <in",
		[DAYTONA_JOB_STREAM] = "",
	};
	const char *command = cmd->tty ? "script -qefc \"$s sh cmd\" /dev/null" : "$s sh cmd";
	CLEANUP(buf_deinit) struct buf inner = {0};
	int r = cmd->kept ? put_name(b, cmd) : 0;

	buf_init(&inner, SCRIPT_MAX);
	r = r ? r : put_inner(&inner, cmd);
	r = r ? r
	      : buf_str(b, "echo $$ >job\n"
			   "umask 022\n"
			   "s=\n");
	if (!cmd->tty) /* a terminal's session is made by script */
		r = r ? r : buf_str(b, "setsid true 2>/dev/null && s=setsid\n");
	r = r ? r : buf_str(b, "base64 -d >cmd");
	r = r ? r : put_payload(b, inner.data, inner.len);
	if (!r && cmd->input == DAYTONA_JOB_FILE) {
		r = buf_str(b, "base64 -d >in");
		r = r ? r : put_payload(b, cmd->in, cmd->in_len);
	}
	if (!r && cmd->input == DAYTONA_JOB_STREAM)
		r = buf_str(b, feeder);
	return r ? r
		 : buf_fmt(b, "{ %s%s >>1 2>>2; echo $? >x.t; mv x.t x; }\n", command,
			   inputs[cmd->input]);
}

int daytona_job_start(struct buf *b, const char *id, const struct daytona_job_command *cmd,
		      int64_t wait_ms)
{
	CLEANUP(buf_deinit) struct buf run = {0};
	int r;

	buf_init(&run, SCRIPT_MAX);
	r = put_run(&run, cmd);
	r = r ? r : put_call(b, "start %s %d %d", id, ticks_of(wait_ms), DAYTONA_JOB_SLICE);
	return r ? r : put_payload(b, run.data, run.len);
}

int daytona_job_look(struct buf *b, const char *id, const uint64_t at[2], uint64_t fed,
		     int64_t wait_ms)
{
	int r = put_call(b, "look %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %d", id, at[0],
			 at[1], fed, ticks_of(wait_ms), DAYTONA_JOB_SLICE);

	return r ? r : buf_str(b, " </dev/null\n");
}

int daytona_job_feed(struct buf *b, const char *id, uint64_t n, const void *data, size_t len)
{
	int r = put_call(b, "feed %s %" PRIu64, id, n);

	return r ? r : put_payload(b, data, len);
}

int daytona_job_take(struct buf *b, const char *id, uint64_t n, size_t len)
{
	int r = put_call(b, "take %s %" PRIu64 " %zu", id, n, len);

	return r ? r : buf_str(b, " </dev/null\n");
}

int daytona_job_feed_end(struct buf *b, const char *id, uint64_t n)
{
	int r = put_call(b, "end %s %" PRIu64, id, n);

	return r ? r : buf_str(b, " </dev/null\n");
}

int daytona_job_kill(struct buf *b, const char *id, int signal)
{
	int r = put_call(b, "signal %s %s", id, sigabbrev_np(signal));

	return r ? r : buf_str(b, " </dev/null\n");
}

int daytona_job_resize(struct buf *b, const char *id, unsigned rows, unsigned cols)
{
	int r = put_call(b, "resize %s %u %u", id, rows, cols);

	return r ? r : buf_str(b, " </dev/null\n");
}

int daytona_job_list(struct buf *b)
{
	int r = put_call(b, "list");

	return r ? r : buf_str(b, " </dev/null\n");
}

int daytona_job_clean(struct buf *b, const char *id)
{
	int r = put_call(b, "clean %s", id);

	return r ? r : buf_str(b, " </dev/null\n");
}

/* The rest of the line that answers about `id`, or NULL. What a shell said before it is passed over. */
static const char *find_answer(const char *text, const char *id)
{
	char mark[DAYTONA_JOB_ID_LEN + 16];
	const char *p = text;

	(void)snprintf(mark, sizeof(mark), "frag1 %s ", id);
	while ((p = strstr(p, mark))) {
		if (p == text || p[-1] == '\n')
			return p + strlen(mark);
		p++;
	}
	return NULL;
}

bool daytona_job_confirmed(const char *text, const char *id)
{
	const char *p = find_answer(text, id);

	return p && strncmp(p, "done", 4) == 0;
}

bool daytona_job_over(const char *text, const char *id)
{
	const char *p = find_answer(text, id);

	return p && strncmp(p, "done", 4) != 0;
}

/* A number and the byte behind it. */
static bool read_number(const char **at, char end, uint64_t *ret)
{
	const char *p = *at;
	uint64_t n = 0;

	for (; isdigit((unsigned char)*p) && n < UINT64_MAX / 100; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	if (p == *at || *p != end)
		return false;
	*at = p + 1;
	*ret = n;
	return true;
}

bool daytona_job_numbers(const char *text, const char *name, uint64_t *ret, size_t n)
{
	const char *p = find_answer(text, name);

	for (size_t i = 0; p && i < n; i++) {
		if (!read_number(&p, i + 1 < n ? ' ' : '\n', &ret[i]))
			return false;
	}
	return p;
}

static bool read_status(const char **at, int *ret)
{
	uint64_t n;

	if (strncmp(*at, "- ", 2) == 0 || strncmp(*at, "lost ", 5) == 0) {
		*ret = **at == '-' ? DAYTONA_JOB_RUNS : DAYTONA_JOB_LOST;
		*at = strchr(*at, ' ') + 1;
		return true;
	}
	if (!read_number(at, ' ', &n) || n > 255)
		return false;
	*ret = (int)n;
	return true;
}

/* "<id> <status> <seconds> <base64>" up to the end of the line. */
static bool read_job(const char *p, struct provider_process *ret)
{
	CLEANUP(buf_deinit) struct buf name = {0};
	struct provider_process job = {0};
	size_t n = strspn(p, "0123456789abcdef");
	uint64_t started;

	buf_init(&name, sizeof(job.command) - 1);
	if (n != DAYTONA_JOB_ID_LEN || p[n] != ' ')
		return false;
	memcpy(job.ref, p, n);
	p += n + 1;
	if (!read_status(&p, &job.status) || !read_number(&p, ' ', &started) ||
	    base64_get(&name, p, strcspn(p, "\n")))
		return false;
	memcpy(job.command, name.data, name.len);
	job.running = job.status == DAYTONA_JOB_RUNS;
	if (job.status < 0)
		job.status = job.running ? 0 : 128 + SIGKILL;
	job.started = (int64_t)started;
	*ret = job;
	return true;
}

bool daytona_job_listed(const char **at, struct provider_process *ret)
{
	const char *p;

	while ((p = find_answer(*at, "job"))) {
		*at = p;
		if (read_job(p, ret))
			return true;
	}
	return false;
}

/* One line of base64 that stands for exactly `want` bytes. */
static int read_slice(const char **at, uint64_t want, struct buf *data)
{
	size_t n = strcspn(*at, "\n"), was = data->len;
	int r = want > DAYTONA_JOB_SLICE ? -EPROTO : base64_get(data, *at, n);

	if (r || data->len - was != want || (*at)[n] != '\n')
		return -EPROTO;
	*at += n + 1;
	return 0;
}

int daytona_job_read(const char *text, size_t len, const char *id, struct daytona_job_news *ret,
		     struct buf *data)
{
	const char *p = strlen(text) == len ? find_answer(text, id) : NULL;
	struct daytona_job_news news = {0};
	uint64_t n[2];

	buf_clear(data);
	if (p && strncmp(p, "gone", 4) == 0)
		return DAYTONA_JOB_GONE;
	if (!p || !read_number(&p, ' ', &news.at[0]) || !read_number(&p, ' ', &news.at[1]) ||
	    !read_status(&p, &news.status) || !read_number(&p, ' ', &news.size[0]) ||
	    !read_number(&p, ' ', &news.size[1]) || !read_number(&p, ' ', &news.fed) ||
	    !read_number(&p, ' ', &n[0]) || !read_number(&p, '\n', &n[1]))
		return -EPROTO;
	for (size_t i = 0; i < 2; i++) {
		if (news.size[i] < news.at[i] || n[i] > news.size[i] - news.at[i] ||
		    read_slice(&p, n[i], data))
			return -EPROTO;
	}
	news.n_stdout = n[0];
	*ret = news;
	return 0;
}
