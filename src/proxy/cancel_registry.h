/*
 * Which server and which session a cancel key belongs to. Shared by all workers: taken when a
 * session has logged in and when it ends, never in between.
 */
#ifndef CROSSFADE_PROXY_CANCEL_REGISTRY_H
#define CROSSFADE_PROXY_CANCEL_REGISTRY_H

#include "net/address.h"

#include "base/slice.h"

struct cancel_registry;
struct cancel_entry;
struct worker;

struct cancel_target {
	struct address server;
	struct worker *worker;
	uint64_t session;
};

struct cancel_registry *cancel_registry_new(void);
void cancel_registry_free(struct cancel_registry *registry);
struct cancel_entry *cancel_registry_add(struct cancel_registry *registry, uint32_t pid, struct slice key,
					 const struct cancel_target *target);
/* entry may be NULL. */
void cancel_registry_remove(struct cancel_registry *registry, struct cancel_entry *entry);
/* The server's process; 0 without an entry. */
uint32_t cancel_entry_pid(const struct cancel_entry *entry);
bool cancel_registry_find(struct cancel_registry *registry, uint32_t pid, struct slice key,
			  struct cancel_target *target_out);
/* The server processes of all sessions now, unsorted; to be freed. */
uint32_t *cancel_registry_pids(struct cancel_registry *registry, size_t *count_out);

#endif
