/* What a message of PostgreSQL's log says about a statement, the same in all three formats. */
#ifndef CROSSFADE_LOGS_MESSAGE_H
#define CROSSFADE_LOGS_MESSAGE_H

#include "base/slice.h"

#include <stdint.h>

/*
 * "statement: …", "execute name: …", "duration: 0.1 ms  statement: …". False:
 * the message holds no statement that ran: a parse, a bind, a fetch, or something else.
 */
bool log_message_statement(struct slice message, struct slice *sql_out);
/* The PREPARE of what an EXECUTE ran, in the DETAIL of its entry. */
bool log_detail_prepare(struct slice detail, struct slice *sql_out);
bool log_message_is_end(struct slice message); /* "disconnection: …" */

/* 2026-11-20 17:12:27.123 UTC, … +01, or 1700000000.123; 0: cannot be read. */
int64_t log_time_ms(const char *text);

uint64_t log_session_hash(const char *text); /* never 0 for a text; 0: NULL or empty */

#endif
