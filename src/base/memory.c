#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void memory_exhausted(size_t size)
{
	fprintf(stderr, "level=fatal event=out_of_memory bytes=%zu\n", size);
	abort();
}

void *memory_alloc(size_t size)
{
	void *result = malloc(size ? size : 1);
	if (!result)
		memory_exhausted(size);
	return result;
}

void *memory_zalloc(size_t size)
{
	void *result = calloc(1, size ? size : 1);
	if (!result)
		memory_exhausted(size);
	return result;
}

void *memory_realloc(void *old, size_t size)
{
	void *result = realloc(old, size ? size : 1);
	if (!result)
		memory_exhausted(size);
	return result;
}

char *memory_copy(const char *data, size_t len)
{
	char *copy = memory_alloc(len + 1);
	if (len)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

char *memory_strdup(const char *text)
{
	return text ? memory_copy(text, strlen(text)) : NULL;
}
