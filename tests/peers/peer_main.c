/* tests/peers/peer_main.c - `peer`: the server as a program.
 *
 *	peer --dir DIR --agent FRAG-AGENT [--port N] [--key KEY] [--profile NAME] [--quirk NAME]… [--minute-ms N]
 *
 * Prints its address as one line and serves until its standard input ends or a signal comes; so it never
 * outlives whoever started it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tests/peers/peer.h"
#include "tests/peers/quirk.h"

static int usage(const char *what)
{
	(void)fprintf(stderr, "peer: %s\nquirks:", what);
	for (unsigned i = 0; quirk_name(i); i++)
		(void)fprintf(stderr, " %s", quirk_name(i));
	(void)fputs("\nprofiles: current e2b-v1 daytona-v0.190\n", stderr);
	return 2;
}

static bool read_option(struct peer_config *c, const char *name, const char *value)
{
	uint32_t set;

	if (!strcmp(name, "--dir")) {
		c->dir = value;
	} else if (!strcmp(name, "--agent")) {
		c->agent = value;
	} else if (!strcmp(name, "--key")) {
		c->key = value;
	} else if (!strcmp(name, "--port")) {
		c->port = (uint16_t)strtoul(value, NULL, 10);
	} else if (!strcmp(name, "--minute-ms")) {
		c->minute_ms = (int64_t)strtoull(value, NULL, 10);
	} else if (!strcmp(name, "--profile")) {
		set = quirk_profile(value);
		c->quirks |= set;
		return set || !strcmp(value, "current");
	} else if (!strcmp(name, "--quirk")) {
		set = quirk_by_name(value);
		c->quirks |= set;
		return set;
	} else {
		return false;
	}
	return true;
}

static void wait_for_the_end(int signals)
{
	struct pollfd fds[2] = {{.fd = 0, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
	char byte;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[1].revents)
			return;
		if (fds[0].revents && read(0, &byte, 1) <= 0)
			return;
	}
}

int main(int argc, char **argv)
{
	struct peer_config config = {0};
	struct peer *p = NULL;
	sigset_t set;
	int signals;

	for (int i = 1; i < argc; i += 2)
		if (i + 1 == argc || !read_option(&config, argv[i], argv[i + 1]))
			return usage(argv[i]);
	if (!config.dir || !config.agent)
		return usage("--dir and --agent are needed");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (peer_start(&config, &p))
		return 1;
	(void)printf("%s\n", peer_url(p));
	(void)fflush(stdout);
	wait_for_the_end(signals);
	peer_stop(p);
	close(signals);
	return 0;
}
