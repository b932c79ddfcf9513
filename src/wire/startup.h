/*
 * The first packet of a connection, which has no type byte: a request for
 * encryption, a cancel request, or the parameters of a session. Limits and
 * layout rules are PostgreSQL's own.
 */
#ifndef CROSSFADE_WIRE_STARTUP_H
#define CROSSFADE_WIRE_STARTUP_H

#include "base/buf.h"
#include "base/error.h"

enum {
	STARTUP_MAX_BYTES = 10000 + 4,
	STARTUP_VALUE_MAX_BYTES = 10000,
	CANCEL_KEY_MAX_BYTES = 256,
};

enum startup_kind {
	STARTUP_INCOMPLETE, /* more bytes are needed */
	STARTUP_SSL,
	STARTUP_GSSENC,
	STARTUP_CANCEL,
	STARTUP_SESSION,
	STARTUP_FOREIGN, /* of another protocol version, which the server may refuse in its own words */
	STARTUP_INVALID,
};

/* Slices point into the packet. */
struct startup_packet {
	size_t size; /* of the packet, length included */
	uint16_t major, minor;
	struct slice user, database, options; /* database: the user's name where it is not said */
	struct slice parameters;	      /* name NUL value NUL …, without the terminator */
	bool replication;
	uint32_t cancel_pid;
	struct slice cancel_key;
};

/* packet_out is filled for all complete kinds (size and version alone for FOREIGN), error_out for INVALID. */
enum startup_kind startup_parse(struct slice data, struct startup_packet *packet_out, struct error *error_out);

/* Walks the parameters; false at the end. *rest starts as packet.parameters. */
bool startup_next(struct slice *rest, struct slice *name_out, struct slice *value_out);

/*
 * The value a session starts with for a setting, from the parameters and from
 * `options` (-c name=value, --name=value); parameters win, as in the server.
 * Appends to value_out; false when the packet does not say.
 */
bool startup_setting(const struct startup_packet *packet, const char *name, struct buf *value_out);


#endif
