#include "proxy/cancel_registry.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <uthash.h>

enum { ID_MAX_BYTES = 4 + 256 };

struct cancel_entry {
	UT_hash_handle hh;
	struct cancel_target target;
	size_t id_len;
	char id[]; /* pid and key */
};

struct cancel_registry {
	pthread_mutex_t lock;
	struct cancel_entry *entries;
};

struct cancel_registry *cancel_registry_new(void)
{
	struct cancel_registry *registry = memory_zalloc(sizeof(*registry));
	pthread_mutex_init(&registry->lock, NULL);
	return registry;
}

void cancel_registry_free(struct cancel_registry *registry)
{
	struct cancel_entry *entry, *next;
	if (!registry)
		return;
	HASH_ITER(hh, registry->entries, entry, next)
	{
		HASH_DEL(registry->entries, entry);
		free(entry);
	}
	pthread_mutex_destroy(&registry->lock);
	free(registry);
}

/* 0: not a key. */
static size_t make_id(uint32_t pid, struct slice key, char id_out[ID_MAX_BYTES])
{
	if (!key.len || key.len > ID_MAX_BYTES - sizeof(pid))
		return 0;
	memcpy(id_out, &pid, sizeof(pid));
	memcpy(id_out + sizeof(pid), key.data, key.len);
	return sizeof(pid) + key.len;
}

struct cancel_entry *cancel_registry_add(struct cancel_registry *registry, uint32_t pid, struct slice key,
					 const struct cancel_target *target)
{
	char id[ID_MAX_BYTES];
	size_t len = make_id(pid, key, id);
	if (!len)
		return NULL;
	struct cancel_entry *entry = memory_zalloc(sizeof(*entry) + len);
	entry->target = *target;
	entry->id_len = len;
	memcpy(entry->id, id, len);
	pthread_mutex_lock(&registry->lock);
	HASH_ADD_KEYPTR(hh, registry->entries, entry->id, entry->id_len, entry);
	pthread_mutex_unlock(&registry->lock);
	return entry;
}

void cancel_registry_remove(struct cancel_registry *registry, struct cancel_entry *entry)
{
	if (!entry)
		return;
	pthread_mutex_lock(&registry->lock);
	HASH_DEL(registry->entries, entry);
	pthread_mutex_unlock(&registry->lock);
	free(entry);
}

uint32_t cancel_entry_pid(const struct cancel_entry *entry)
{
	uint32_t pid = 0;
	if (entry)
		memcpy(&pid, entry->id, sizeof(pid));
	return pid;
}

bool cancel_registry_find(struct cancel_registry *registry, uint32_t pid, struct slice key,
			  struct cancel_target *target_out)
{
	char id[ID_MAX_BYTES];
	size_t len = make_id(pid, key, id);
	struct cancel_entry *entry = NULL;
	if (!len)
		return false;
	pthread_mutex_lock(&registry->lock);
	HASH_FIND(hh, registry->entries, id, len, entry);
	if (entry)
		*target_out = entry->target;
	pthread_mutex_unlock(&registry->lock);
	return entry != NULL;
}

uint32_t *cancel_registry_pids(struct cancel_registry *registry, size_t *count_out)
{
	struct cancel_entry *entry, *next;
	size_t count = 0;
	pthread_mutex_lock(&registry->lock);
	uint32_t *pids = memory_alloc((HASH_COUNT(registry->entries) + 1) * sizeof(*pids));
	HASH_ITER(hh, registry->entries, entry, next)
		memcpy(&pids[count++], entry->id, sizeof(*pids));
	pthread_mutex_unlock(&registry->lock);
	*count_out = count;
	return pids;
}
