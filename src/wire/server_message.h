/* Messages that a server sends: the parts that the proxy must know. */
#ifndef CROSSFADE_WIRE_SERVER_MESSAGE_H
#define CROSSFADE_WIRE_SERVER_MESSAGE_H

#include "wire/frame.h"

enum server_type {
	SERVER_AUTHENTICATION = 'R',
	SERVER_BIND_COMPLETE = '2',
	SERVER_CLOSE_COMPLETE = '3',
	SERVER_COMMAND_COMPLETE = 'C',
	SERVER_COPY_BOTH = 'W',
	SERVER_COPY_DATA = 'd',
	SERVER_COPY_DONE = 'c',
	SERVER_COPY_IN = 'G',
	SERVER_COPY_OUT = 'H',
	SERVER_DATA_ROW = 'D',
	SERVER_EMPTY_QUERY = 'I',
	SERVER_ERROR = 'E',
	SERVER_FUNCTION_RESULT = 'V',
	SERVER_KEY_DATA = 'K',
	SERVER_NEGOTIATE_VERSION = 'v',
	SERVER_NO_DATA = 'n',
	SERVER_NOTICE = 'N',
	SERVER_NOTIFICATION = 'A',
	SERVER_PARAMETERS = 't', /* ParameterDescription */
	SERVER_PARAMETER_STATUS = 'S',
	SERVER_PARSE_COMPLETE = '1',
	SERVER_PORTAL_SUSPENDED = 's',
	SERVER_READY = 'Z',
	SERVER_ROWS = 'T', /* RowDescription */
};

enum authentication {
	AUTHENTICATION_OK = 0,
	AUTHENTICATION_PASSWORD = 3, /* in clear text */
	AUTHENTICATION_MD5 = 5,
	AUTHENTICATION_SASL = 10,
	AUTHENTICATION_SASL_CONTINUE = 11,
	AUTHENTICATION_SASL_FINAL = 12,
};

/* All readers: false when the body is malformed. */
bool authentication_read(struct slice body, uint32_t *kind_out, struct slice *data_out);
/* Whether the server now waits for a message of the client. */
bool authentication_wants_answer(uint32_t kind);
/*
 * AuthenticationSASL anew, without the mechanisms that bind to a TLS channel
 * which does not end here. False when nothing is left to offer.
 */
bool authentication_append_unbound(struct buf *out, struct slice mechanisms);

bool key_data_read(struct slice body, uint32_t *pid_out, struct slice *key_out);
bool parameter_status_read(struct slice body, struct slice *name_out, struct slice *value_out);
bool ready_read(struct slice body, char *status_out);
bool tag_read(struct slice body, struct slice *tag_out);
/* "CREATE TABLE", "DROP SCHEMA", "GRANT": which relations there are, or who sees them, may have changed. */
bool tag_changes_relations(struct slice tag);
/* "INSERT 0 5", "SELECT 5" → 5; 0 when the tag has no count. */
uint64_t tag_rows(struct slice tag);
/* The first column of a DataRow. NULL gives a slice without data. */
bool data_row_first(struct slice body, struct slice *value_out);

#endif
