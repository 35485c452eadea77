/* TLS is verified, always: against `openssl s_server` with a certificate of its own for 127.0.0.1. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "provider/http.h"
#include "provider/provider.h"
#include "tests/scratch.h"

struct fixture {
	struct scratch s;
	pid_t pid;
	int out, in;
	unsigned port;
	char *key, *cert;
	struct http *http;
	bool done;
	int result;
};

static pid_t spawn(const char *const *argv, int in, int out)
{
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		(void)dup2(in >= 0 ? in : null, 0);
		(void)dup2(out >= 0 ? out : null, 1);
		(void)dup2(null, 2);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return pid;
}

static void make_certificate(struct fixture *f, const char *name)
{
	CLEANUP(free_p) char *san = alloc_fmt("subjectAltName=%s", name);
	const char *argv[] = {"openssl", "req",   "-x509",   "-newkey", "rsa:2048", "-nodes",
			      "-keyout", f->key,  "-out",    f->cert,   "-days",    "2",
			      "-subj",   "/CN=x", "-addext", san,       NULL};
	int status;

	assert_true(waitpid(spawn(argv, -1, -1), &status, 0) > 0);
	assert_int_equal(status, 0);
}

/* Reads "ACCEPT 127.0.0.1:PORT". */
static void read_port(struct fixture *f)
{
	char text[256];
	size_t len = 0;

	while (!f->port) {
		char *at;
		ssize_t n = read(f->out, text + len, sizeof(text) - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
		text[len] = '\0';
		at = strstr(text, "ACCEPT ");
		if (at && strchr(at, '\n'))
			f->port = (unsigned)strtoul(strrchr(at, ':') + 1, NULL, 10);
	}
}

static void serve(struct fixture *f, const char *name)
{
	const char *argv[] = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-key",
			      f->key,    "-cert",    f->cert,   "-www",        NULL};
	int out[2], in[2];

	make_certificate(f, name);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	f->pid = spawn(argv, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	f->in = in[1];
	f->out = out[0];
	read_port(f);
}

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));

	log_open(-1, LOG_LEVEL_ERR, false);
	scratch_init(&f->s);
	f->key = alloc_fmt("%s/key.pem", f->s.path);
	f->cert = alloc_fmt("%s/cert.pem", f->s.path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_free(f->http);
	if (f->pid > 0) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
		close(f->in);
		close(f->out);
	}
	free(f->key);
	free(f->cert);
	scratch_deinit(&f->s);
	free(f);
	return 0;
}

static void ended(struct http_request *r, int result)
{
	struct fixture *f = r->arg;

	f->done = true;
	f->result = result;
}

static int ask(struct fixture *f, const char *host, const char *ca_file, char *why)
{
	struct http_config config = {.proxy = "", .ca_file = ca_file};
	CLEANUP(free_p) char *url = alloc_fmt("https://%s:%u/", host, f->port);
	const char *secrets[] = {"Authorization: Bearer canary0123456789", NULL};
	struct http_request r = {
		.method = "GET", .url = url, .secrets = secrets, .done = ended, .arg = f};

	assert_int_equal(http_new(&config, &f->http), 0);
	assert_int_equal(http_start(f->http, &r), 0);
	while (!f->done)
		assert_true(http_poll(f->http, NULL, 0, 1000) >= 0);
	(void)snprintf(why, HTTP_WHY_MAX, "%s", r.why);
	assert_null(strstr(why, "canary"));
	return f->result;
}

static void trusts_the_authority_that_is_named(void **state)
{
	struct fixture *f = *state;
	char why[HTTP_WHY_MAX];

	serve(f, "IP:127.0.0.1");
	assert_int_equal(ask(f, "127.0.0.1", f->cert, why), 0);
}

static void refuses_a_stranger(void **state)
{
	struct fixture *f = *state;
	char why[HTTP_WHY_MAX];

	serve(f, "IP:127.0.0.1");
	assert_int_equal(ask(f, "127.0.0.1", NULL, why), PROVIDER_OFFLINE);
	assert_non_null(strstr(why, "certificate"));
}

static void refuses_the_right_certificate_for_another_host(void **state)
{
	struct fixture *f = *state;
	char why[HTTP_WHY_MAX];

	serve(f, "DNS:other.example");
	assert_int_equal(ask(f, "127.0.0.1", f->cert, why), PROVIDER_OFFLINE);
}

static void wants_an_authority_file_that_is_there(void **state)
{
	struct http_config config = {.ca_file = "/no/such/file.pem"};
	struct fixture *f = *state;

	assert_int_equal(http_new(&config, &f->http), -ENOENT);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(trusts_the_authority_that_is_named),
		T(refuses_a_stranger),
		T(refuses_the_right_certificate_for_another_host),
		T(wants_an_authority_file_that_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
