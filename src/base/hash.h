/* xxHash3, compiled in: libpg_query exports the library's own names. */
#ifndef CROSSFADE_BASE_HASH_H
#define CROSSFADE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_of_bytes(const void *data, size_t len, uint64_t seed);

#endif
