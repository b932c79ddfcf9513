/*
 * A conversation on the table: say() is the client speaking, answer() the
 * server. Both return what came out at the other end, one letter a message;
 * texts of Query and Parse follow theirs in brackets.
 *
 *   say(talk, "P:s1=old x B:p1=s1 E:p1 S")   name=text; B portal=statement; E portal; C/D kind and name
 *   answer(talk, "1 2 D C:SELECT 1 Z:I")     C tag; E sqlstate/message/position; Z status; S name=value
 */
#ifndef CROSSFADE_TESTS_PROXY_TALK_H
#define CROSSFADE_TESTS_PROXY_TALK_H

#include "fakes.h"
#include "proxy/conversation.h"

struct talk {
	struct conversation conversation;
	struct conversation_env env;
	struct traffic traffic;
	struct buf to_server, to_client; /* scratch */
	struct buf rest;		 /* of the client: held, or not complete */
	struct buf held_back;		 /* what the client got when it was its turn (retry.h) */
	struct ruleset *ruleset;
	struct buf shown;
	unsigned stale; /* calls of facts_stale */
	size_t chunk;	/* bytes handed over at once; 0: all */
};

/* search_path NULL: unknown. */
struct talk *talk_begin(const char *search_path);
void talk_end(struct talk *talk); /* checks that nothing is left */
/* New rules, of which rules.h says what they are. */
void talk_publish(struct talk *talk, const char *tables, const char *moved);
const char *say(struct talk *talk, const char *messages);
const char *answer(struct talk *talk, const char *messages);
/* The server on the statement that stands in for one that is not to run: the SQLSTATE that the client gets. */
const char *answer_stand_in(struct talk *talk);
const char *say_bytes(struct talk *talk, const void *data, size_t len);
/* What reached the server because a hold was over; empty: nothing. */
const char *resumed(struct talk *talk);
/* What the client got since the last call, besides answers as they came. */
const char *released(struct talk *talk);
void client_message_build(struct buf *out, const char *word);

#endif
