/*
 * Allocation that cannot fail: on Linux a refused small allocation means that
 * the machine is beyond help, and libpg_query ends the process there as well.
 * What a client can make large is bounded by a limit before it is allocated.
 */
#ifndef CROSSFADE_BASE_MEMORY_H
#define CROSSFADE_BASE_MEMORY_H

#include <stddef.h>

void *memory_alloc(size_t size);
void *memory_zalloc(size_t size);
void *memory_realloc(void *old, size_t size);
char *memory_strdup(const char *text); /* NULL stays NULL */
char *memory_copy(const char *data, size_t len); /* adds a NUL */
_Noreturn void memory_exhausted(size_t size);

#endif
