/*
 * Long statements are parsed here, on a thread of their own, so that the
 * other sessions of a worker do not wait for them. The session that sent one
 * does: its job comes back to the inbox of its worker's loop.
 */
#ifndef CROSSFADE_PROXY_PARSE_POOL_H
#define CROSSFADE_PROXY_PARSE_POOL_H

#include "net/inbox.h"
#include "rewrite/rewriter.h"

struct parse_pool;
struct parse_job;

/* The thread starts with the first job. */
struct parse_pool *parse_pool_new(const struct rewriter_settings *settings, size_t stack_bytes);
/* Ends the thread after the job it is at; those that were posted back are their inboxes' to free. Accepts NULL. */
void parse_pool_free(struct parse_pool *pool);

/* What a job is to work on; all of it is copied. */
struct parse_request {
	struct slice sql;
	enum rewrite_protocol protocol;
	const struct session_state *state;
	struct ruleset *ruleset;
};
/* done is called on the thread of the inbox, and takes the result over. */
struct parse_job *parse_pool_submit(struct parse_pool *pool, const struct parse_request *request,
				    struct inbox *inbox, void (*done)(void *context, struct rewrite *rewrite),
				    void *context);
/* On the thread of the inbox: done is not called any more. */
void parse_job_abandon(struct parse_job *job);

#endif
