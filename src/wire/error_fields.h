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
	struct slice schema, table, column, constraint;
	struct slice inner_query; /* code that the statement ran, in which it failed */
	struct slice routine; /* of the server's code: tells errors of one SQLSTATE apart */
	uint32_t position; /* 1-based, in characters; 0: none */
};

/* Fields that shall say something else; without data: as they are. */
struct error_changes {
	bool moved;	   /* position counts */
	uint32_t position; /* 0: none */
	struct slice message, schema, table, column;
	struct slice hint; /* where the server gives none */
};

bool error_fields_read(struct slice body, struct error_fields *fields_out);
bool error_fields_fatal(const struct error_fields *fields); /* FATAL or PANIC: the session ends */
/* The same message but for the changes; all other fields stay byte for byte. */
void error_fields_append_changed(struct buf *out, uint8_t type, struct slice body,
				 const struct error_changes *changes);

/* severity: "ERROR", "FATAL", … */
void error_append(struct buf *out, const char *severity, const struct error *error);
/* The same as a NoticeResponse. */
void notice_append(struct buf *out, const char *severity, const struct error *error);
/* Ours in place of the server's, whose severity in its language is kept. */
void error_append_like(struct buf *out, const struct error_fields *like, const struct error *error);

#endif
