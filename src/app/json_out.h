/* Printing a JSON value for people and programs: indented, keys in the order they were set. */
#ifndef CROSSFADE_APP_JSON_OUT_H
#define CROSSFADE_APP_JSON_OUT_H

#include "base/buf.h"

#include <jansson.h>

/* Appends it and a newline; takes the reference over. */
void json_out_append(json_t *root, struct buf *out);

#endif
