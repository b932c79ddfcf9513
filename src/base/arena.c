#include "base/arena.h"

#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Blocks double from the first, so that an arena of a few names stays small. */
enum { ARENA_FIRST_BYTES = 256, ARENA_BLOCK_BYTES = 8192, ARENA_ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t used;
	_Alignas(ARENA_ALIGN) char data[];
};

void arena_init(struct arena *arena)
{
	*arena = (struct arena){ 0 };
}

static void free_blocks(struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;
		free(block);
		block = next;
	}
}

void arena_deinit(struct arena *arena)
{
	free_blocks(arena->head);
	arena_init(arena);
}

void arena_reset(struct arena *arena)
{
	struct arena_block *keep = arena->head;
	if (!keep)
		return;
	free_blocks(keep->next);
	keep->next = NULL;
	if (keep->size > ARENA_BLOCK_BYTES) {
		free(keep);
		keep = NULL;
	} else {
		keep->used = 0;
	}
	arena->head = keep;
	arena->used_bytes = 0;
}

static struct arena_block *add_block(struct arena *arena, size_t need)
{
	size_t size = arena->head ? arena->head->size * 2 : ARENA_FIRST_BYTES;
	if (size > ARENA_BLOCK_BYTES)
		size = ARENA_BLOCK_BYTES;
	if (size < need)
		size = need;
	struct arena_block *block = memory_alloc(sizeof(*block) + size);
	block->size = size;
	block->used = 0;
	block->next = arena->head;
	arena->head = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	if (size > SIZE_MAX / 2)
		memory_exhausted(size);
	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	struct arena_block *block = arena->head;
	if (!block || block->size - block->used < size)
		block = add_block(arena, size);
	void *result = block->data + block->used;
	block->used += size;
	arena->used_bytes += size;
	return memset(result, 0, size);
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / 2 / size)
		memory_exhausted(SIZE_MAX);
	return arena_alloc(arena, count * size);
}

char *arena_copy(struct arena *arena, const char *data, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return text ? arena_copy(arena, text, strlen(text)) : NULL;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	char *text = arena_alloc(arena, (size_t)(len < 0 ? 0 : len) + 1);
	if (len > 0)
		vsnprintf(text, (size_t)len + 1, format, again);
	va_end(again);
	return text;
}
