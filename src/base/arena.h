/*
 * Bump allocator for things that end together: one statement, one map, one
 * set of facts. Memory comes zeroed; nothing is freed singly.
 * Running out of memory ends the process (base/memory.h says why).
 */
#ifndef CROSSFADE_BASE_ARENA_H
#define CROSSFADE_BASE_ARENA_H

#include "base/slice.h"

#include <stdarg.h>

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t used_bytes; /* handed out, over all blocks */
};

void arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);
/* Forgets everything but keeps one block for the next round. */
void arena_reset(struct arena *arena);

void *arena_alloc(struct arena *arena, size_t size);
void *arena_alloc_array(struct arena *arena, size_t count, size_t size);
char *arena_copy(struct arena *arena, const char *data, size_t len); /* adds a NUL */
char *arena_strdup(struct arena *arena, const char *text);           /* NULL stays NULL */
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, count, type) ((type *)arena_alloc_array((arena), (count), sizeof(type)))

#endif
