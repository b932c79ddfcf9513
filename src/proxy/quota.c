#include "proxy/quota.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <uthash.h>

struct holder {
	UT_hash_handle hh;
	uint32_t count;
	char name[];
};

struct quota {
	uint32_t max;
	pthread_mutex_t lock;
	struct holder *holders; /* those with at least one */
};

struct quota *quota_new(uint32_t max)
{
	struct quota *quota = memory_zalloc(sizeof(*quota));
	quota->max = max;
	pthread_mutex_init(&quota->lock, NULL);
	return quota;
}

static void drop(struct quota *quota, struct holder *holder)
{
	HASH_DEL(quota->holders, holder);
	free(holder);
}

void quota_free(struct quota *quota)
{
	struct holder *holder, *next;
	if (!quota)
		return;
	HASH_ITER(hh, quota->holders, holder, next)
	drop(quota, holder);
	pthread_mutex_destroy(&quota->lock);
	free(quota);
}

static struct holder *find_or_add(struct quota *quota, const char *name)
{
	struct holder *holder = NULL;
	HASH_FIND_STR(quota->holders, name, holder);
	if (holder)
		return holder;
	holder = memory_zalloc(sizeof(*holder) + strlen(name) + 1);
	memcpy(holder->name, name, strlen(name));
	HASH_ADD_STR(quota->holders, name, holder);
	return holder;
}

bool quota_take(struct quota *quota, const char *name)
{
	if (!quota->max)
		return true;
	pthread_mutex_lock(&quota->lock);
	struct holder *holder = find_or_add(quota, name);
	bool taken = holder->count < quota->max;
	holder->count += taken;
	pthread_mutex_unlock(&quota->lock);
	return taken;
}

void quota_give(struct quota *quota, const char *name)
{
	struct holder *holder = NULL;
	if (!quota->max)
		return;
	pthread_mutex_lock(&quota->lock);
	HASH_FIND_STR(quota->holders, name, holder);
	if (holder && --holder->count == 0)
		drop(quota, holder);
	pthread_mutex_unlock(&quota->lock);
}
