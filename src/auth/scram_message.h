/* The texts of a SCRAM exchange: attributes `x=value`, separated by commas. */
#ifndef CROSSFADE_AUTH_SCRAM_MESSAGE_H
#define CROSSFADE_AUTH_SCRAM_MESSAGE_H

#include "base/buf.h"

#define SCRAM_SHA_256 "SCRAM-SHA-256"
#define SCRAM_SHA_256_PLUS "SCRAM-SHA-256-PLUS"
#define SCRAM_BINDING_END_POINT "tls-server-end-point"

/* Takes the next attribute with its comma; false at the end, or when it is none. */
bool scram_next(struct slice *text, char *name_out, struct slice *value_out);
/* … which must have this name. */
bool scram_expect(struct slice *text, char name, struct slice *value_out);
/* As both sides may make them up. */
bool scram_nonce_valid(struct slice nonce);
/* Appends fresh random characters. */
void scram_append_nonce(struct buf *out);

#endif
