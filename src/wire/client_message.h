/*
 * Messages that a client sends: the parts that the proxy must know, and
 * builders of those that it sends itself.
 */
#ifndef CROSSFADE_WIRE_CLIENT_MESSAGE_H
#define CROSSFADE_WIRE_CLIENT_MESSAGE_H

#include "wire/frame.h"

enum client_type {
	CLIENT_BIND = 'B',
	CLIENT_CLOSE = 'C',
	CLIENT_COPY_DATA = 'd',
	CLIENT_COPY_DONE = 'c',
	CLIENT_COPY_FAIL = 'f',
	CLIENT_DESCRIBE = 'D',
	CLIENT_EXECUTE = 'E',
	CLIENT_FLUSH = 'H',
	CLIENT_FUNCTION_CALL = 'F',
	CLIENT_PARSE = 'P',
	CLIENT_PASSWORD = 'p', /* also SASL and GSS answers */
	CLIENT_QUERY = 'Q',
	CLIENT_SYNC = 'S',
	CLIENT_TERMINATE = 'X',
};

struct parse_message {
	struct slice name, sql;
	struct slice types; /* the count and the OIDs, as they came */
};
/* All readers: false when the body is malformed. */
bool query_read(struct slice body, struct slice *sql_out);
bool parse_read(struct slice body, struct parse_message *message_out);

struct bind_names {
	struct slice portal, statement;
};
/* body may be only the beginning of the message. */
bool bind_read_names(struct slice body, struct bind_names *names_out);

/* The whole of it. */
struct bind_message {
	struct slice portal, statement;
	struct slice formats;	 /* the codes, without their count */
	size_t parameter_count;
	struct slice parameters; /* length and bytes of each */
	struct slice results;	 /* result formats, their count included */
};
bool bind_read(struct slice body, struct bind_message *message_out);

struct execute_message {
	struct slice portal;
	uint32_t max_rows; /* 0: all */
};
bool execute_read(struct slice body, struct execute_message *message_out);

/* Describe and Close: kind is 'S' for a statement, 'P' for a portal. */
struct object_message {
	uint8_t kind;
	struct slice name;
};
bool object_read(struct slice body, struct object_message *message_out);

void query_append(struct buf *out, struct slice sql);
/* types as read; empty: none given. */
void parse_append(struct buf *out, struct slice name, struct slice sql, struct slice types);
/* Without parameters, all results as text. */
void bind_append(struct buf *out, const char *portal, const char *statement);
/* With one parameter. */
void bind_text_append(struct buf *out, const char *portal, const char *statement, struct slice value);
void execute_append(struct buf *out, const char *portal, uint32_t max_rows);
/* Describe or Close. */
void object_append(struct buf *out, enum client_type type, uint8_t kind, struct slice name);
void flush_append(struct buf *out);
void sync_append(struct buf *out);
void terminate_append(struct buf *out);
/* No type byte: the beginning of a connection. */
void ssl_request_append(struct buf *out);

#endif
