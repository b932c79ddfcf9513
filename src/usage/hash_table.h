/* uthash with the project's hash. */
#ifndef CROSSFADE_USAGE_HASH_TABLE_H
#define CROSSFADE_USAGE_HASH_TABLE_H

#include "base/hash.h"

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)hash_of_bytes((keyptr), (keylen), 0))
#include <uthash.h>

#endif
