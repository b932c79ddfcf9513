/* Base64 as SCRAM uses it: the standard alphabet, always padded, nothing between. */
#ifndef CROSSFADE_AUTH_BASE64_H
#define CROSSFADE_AUTH_BASE64_H

#include "base/buf.h"

void base64_append(struct buf *out, const void *data, size_t len);
/* Appends the bytes; false when text is no base64, and nothing was appended. */
bool base64_decode(struct slice text, struct buf *out);

#endif
