/*
 * How SCRAM brings a password into one form (RFC 4013), with PostgreSQL's own
 * exceptions: what is plain ASCII, no UTF-8, or not allowed stays as it is.
 */
#ifndef CROSSFADE_AUTH_SASLPREP_H
#define CROSSFADE_AUTH_SASLPREP_H

#include "base/buf.h"

/* Appends the form that is hashed. Both hold a secret. */
void saslprep_append(struct buf *out, const char *password);

#endif
