/*
 * DDL by somebody else: a statement that was sent to where its table was a
 * moment ago fails with "does not exist", though nothing is wrong with it.
 * It is sent again, once, after the catalog was read again (cutover.md).
 *
 * Only a segment of which the client has seen no answer, outside of a
 * transaction, without effects on the session, and with nothing sent behind
 * it: the server has rolled it back, so that nothing of it has happened. The
 * client's messages are kept for that until the first answer, up to
 * limits.retry_bytes. Of several statements the first answers are held back
 * as long as they are short: the server too keeps them until it has more.
 *
 *   NONE → FAILED (an error is held back) → LOOKING (ReadyForQuery came, the catalog is read)
 *        → REPLAYING (rules have changed) → NONE
 *        → NONE (they have not: the client gets the error)
 */
#ifndef CROSSFADE_PROXY_RETRY_H
#define CROSSFADE_PROXY_RETRY_H

#include "base/buf.h"
#include "proxy/late_counts.h"

enum withholding { WITHHOLDING_UNDECIDED, WITHHOLDING, WITHHOLDING_NOTHING };
enum retry_stage { RETRY_NONE, RETRY_FAILED, RETRY_LOOKING, RETRY_REPLAYING };

struct retry {
	enum retry_stage stage;
	bool keeping;	   /* all of the segment being sent is in kept */
	bool answered;	   /* the client has seen something of it */
	enum withholding withholding; /* of answers to the segment */
	uint64_t view;	   /* of the rules it was sent under */
	struct buf kept;   /* messages of the client */
	size_t at;	   /* replayed so far */
	struct buf answer; /* held back */
	struct late_counts counts; /* of what is answered there */
};

struct conversation;
struct error_fields;
struct message;
struct request;
struct round;

void retry_init(struct retry *retry);
void retry_deinit(struct retry *retry);

/* A message of the client is looked at; it was taken. */
void retry_begin(struct conversation *conversation);
void retry_keep(struct conversation *conversation, const struct message *message);
/* Whether an answer, all of which is there, goes to `answer` and not yet to the client. */
bool retry_withholds(struct conversation *conversation, const struct message *message);
/* The client gets what was held back, before anything else. */
void retry_release(struct conversation *conversation, struct round *round);
/* Not that of a table that FROM does not have, which is 42P01 too. */
bool retry_is_missing_relation(const struct error_fields *fields);
/* It wanted to write where the rows are no more: the facts tell where they are. */
bool retry_is_fenced(const struct error_fields *fields);
/* Whether this error is to be held back. */
bool retry_wants(struct conversation *conversation, const struct request *head, const struct error_fields *fields);
/* ReadyForQuery after an error that was held back. True: it is held back too. */
bool retry_ready(struct conversation *conversation, const struct message *message, struct round *round);
/* All is answered: what was kept of a long segment is given back. */
void retry_rest(struct retry *retry);
/* The error goes to the client after all. */
void retry_give_up(struct conversation *conversation, struct round *round);

/* The client's next bytes must wait for what is sent again. */
static inline bool retry_pending(const struct retry *retry)
{
	return retry->stage != RETRY_NONE;
}

#endif
