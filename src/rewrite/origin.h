/*
 * Where in an application's code a statement comes from, as the comment at
 * its end says (sqlcommenter: key='value', URL-encoded). What a client writes
 * there is a claim like its application_name; it never decides anything.
 */
#ifndef CROSSFADE_REWRITE_ORIGIN_H
#define CROSSFADE_REWRITE_ORIGIN_H

#include "base/slice.h"

#include <stdint.h>

enum origin_key { ORIGIN_APPLICATION, ORIGIN_CONTROLLER, ORIGIN_ROUTE, ORIGIN_ACTION, ORIGIN_KEY_COUNT };
enum { ORIGIN_VALUE_BYTES = 128 };

/* Values are decoded, cut, and "" where the comment has none. */
struct origin {
	uint64_t hash;
	char values[ORIGIN_KEY_COUNT][ORIGIN_VALUE_BYTES];
};

/* False, and nothing touched, when the text does not end in such a comment or it has none of the keys. */
bool origin_read(struct slice sql, struct origin *origin_out);

/* Cheap: most texts have no comment at their end. */
static inline bool origin_is_likely(struct slice sql)
{
	size_t at = sql.len;
	while (at && (sql.data[at - 1] == ' ' || sql.data[at - 1] == ';' || sql.data[at - 1] == '\n'))
		at--;
	return at >= 4 && sql.data[at - 1] == '/' && sql.data[at - 2] == '*';
}

#endif
