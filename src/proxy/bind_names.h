/*
 * Parameters that are read as names of relations ($1::regclass, nextval($1)):
 * where the name has moved, the Bind is sent anew with the present one.
 */
#ifndef CROSSFADE_PROXY_BIND_NAMES_H
#define CROSSFADE_PROXY_BIND_NAMES_H

#include "proxy/conversation.h"

/*
 * False when the Bind stays as it is; else what to send in its place was appended to out.
 * shape_out: what the names among the values use, with a reference; NULL: nothing of the map.
 */
bool bind_names_replace(struct conversation *conversation, const struct rewrite *rewrite, struct slice body,
			struct buf *out, struct statement_shape **shape_out);

#endif
