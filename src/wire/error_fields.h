/*
 * ErrorResponse and NoticeResponse: a list of fields, each a code byte and a
 * text. Unknown fields are kept as they are.
 */
#ifndef CROSSFADE_WIRE_ERROR_FIELDS_H
#define CROSSFADE_WIRE_ERROR_FIELDS_H

#include "base/error.h"
#include "wire/frame.h"

/* Slices point into the message; without data: the field is missing. */
struct error_fields {
	struct slice severity;	  /* S: in the server's language */
	struct slice severity_en; /* V: missing before 9.6 */
	struct slice sqlstate;
	struct slice message;
	uint32_t position; /* 1-based, in characters; 0: none */
};

bool error_fields_read(struct slice body, struct error_fields *fields_out);
bool error_fields_fatal(const struct error_fields *fields); /* FATAL or PANIC: the session ends */
/* The same message with another P; 0 leaves P out. */
void error_fields_append_moved(struct buf *out, uint8_t type, struct slice body, uint32_t position);

/* severity: "ERROR", "FATAL", … */
void error_append(struct buf *out, const char *severity, const struct error *error);
/* Ours in place of the server's, whose severity in its language is kept. */
void error_append_like(struct buf *out, const struct error_fields *like, const struct error *error);

#endif
