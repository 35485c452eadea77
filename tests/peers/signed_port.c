/* tests/peers/signed_port.c - a ring of tokens.
 */
#include "tests/peers/signed_port.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

struct signed_ports {
	pthread_mutex_t lock;
	size_t next;
	struct {
		char token[SIGNED_PORT_TOKEN_MAX], id[GUEST_ID_MAX];
		uint16_t port;
		int64_t until;
	} ring[SIGNED_PORTS_MAX];
};

struct signed_ports *signed_ports_new(void)
{
	struct signed_ports *all = alloc_zero(sizeof(*all));

	pthread_mutex_init(&all->lock, NULL);
	return all;
}

void signed_ports_free(struct signed_ports *all)
{
	pthread_mutex_destroy(&all->lock);
	free(all);
}

void signed_port_add(struct signed_ports *all, const char *id, uint16_t port, int64_t seconds,
		     char token[SIGNED_PORT_TOKEN_MAX])
{
	size_t i;

	guest_random(token, SIGNED_PORT_TOKEN_MAX - 1);
	pthread_mutex_lock(&all->lock);
	i = all->next++ % SIGNED_PORTS_MAX;
	memcpy(all->ring[i].token, token, SIGNED_PORT_TOKEN_MAX);
	(void)snprintf(all->ring[i].id, GUEST_ID_MAX, "%s", id);
	all->ring[i].port = port;
	all->ring[i].until = clock_now(clock_system()) + seconds * 1000;
	pthread_mutex_unlock(&all->lock);
}

void signed_port_remove(struct signed_ports *all, const char *token)
{
	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < SIGNED_PORTS_MAX; i++)
		if (!strcmp(all->ring[i].token, token))
			all->ring[i].until = 0;
	pthread_mutex_unlock(&all->lock);
}

bool signed_port_find(struct signed_ports *all, const char *token, uint16_t port,
		      char id[GUEST_ID_MAX])
{
	int64_t now = clock_now(clock_system());
	bool found = false;

	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < SIGNED_PORTS_MAX && !found; i++) {
		found = *token && !strcmp(all->ring[i].token, token) &&
			all->ring[i].port == port && now < all->ring[i].until;
		if (found)
			memcpy(id, all->ring[i].id, GUEST_ID_MAX);
	}
	pthread_mutex_unlock(&all->lock);
	return found;
}
