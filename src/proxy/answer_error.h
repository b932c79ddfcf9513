/*
 * What the client is told of an error of the server: our own words where a
 * stand-in for a refused statement has failed, else the server's, with names
 * and position as the client wrote them.
 */
#ifndef CROSSFADE_PROXY_ANSWER_ERROR_H
#define CROSSFADE_PROXY_ANSWER_ERROR_H

#include "proxy/conversation.h"
#include "wire/error_fields.h"

/* Whether this error is the one that stands in for a refusal, and what to say instead. */
bool answer_error_refusal(struct conversation *conversation, const struct request *head,
			  const struct error_fields *fields, struct error *error_out);
/* VERDICT_PASS: as it came; else another one was given to the client. Notices too; head may be NULL. */
enum verdict answer_error_pass(struct conversation *conversation, const struct request *head,
			       const struct message *message, const struct error_fields *fields, struct round *round);

#endif
