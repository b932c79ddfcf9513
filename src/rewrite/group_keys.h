/*
 * GROUP BY a primary key covers the other columns of its table; of a derived
 * table that stands in for it the server does not know. So the columns that
 * are used beside the key are added to the list: they depend on the key, and
 * the groups stay what they were.
 */
#ifndef CROSSFADE_REWRITE_GROUP_KEYS_H
#define CROSSFADE_REWRITE_GROUP_KEYS_H

#include "rewrite/analysis.h"

/* Once aliases are decided. */
void group_keys_splice(struct analysis *a);

#endif
