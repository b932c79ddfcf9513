/* The ledger in PostgreSQL, for usage_shared_set. docs/usage.md describes its tables. */
#ifndef CROSSFADE_SHARED_SHARED_H
#define CROSSFADE_SHARED_SHARED_H

#include "usage/shared.h"

const struct usage_shared_ops *shared_ops(void);

#endif
