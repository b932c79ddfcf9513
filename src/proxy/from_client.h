/* What the files that read a client's messages share; nobody else includes this. */
#ifndef CROSSFADE_PROXY_FROM_CLIENT_H
#define CROSSFADE_PROXY_FROM_CLIENT_H

#include "proxy/conversation.h"

/* ---- from_client.c ---- */

/* Room for one more request, or the client waits. */
bool from_client_has_room(struct conversation *conversation);
struct request *from_client_push(struct conversation *conversation, enum request_kind kind);
/* The requests of a segment that the server is skipping get no answers, hence no entries: NULL. */
struct request *from_client_push_extended(struct conversation *conversation, enum request_kind kind);
enum verdict from_client_hold(struct conversation *conversation, enum hold why);
/* At the gate (parking.h). bytes: of what was read of the message. */
enum verdict from_client_wait_at_gate(struct conversation *conversation, size_t bytes, struct round *round);
/* Until all is answered; what was sent of the segment is flushed. */
enum verdict from_client_hold_quiet(struct conversation *conversation, struct round *round);
/* What the server is going to ignore, or reads as the end of a COPY, touches nothing. */
bool from_client_may_wait(const struct conversation *conversation);

/* The name means something else from now on; the request keeps what it meant. Takes over
 * `prepared`, references of the others. */
void from_client_give_meaning(struct names *names, struct slice text, struct request *request,
			      struct rewrite *rewrite, struct statement_shape *shape, struct prepared *prepared);

/* ---- client_text.c ---- */

/* A Query or Parse. */
struct client_text {
	bool is_query;
	size_t bytes; /* of the whole message */
	struct slice sql, name, types;
};

/* Texts are read and rewritten; false: they pass blind. */
bool client_text_is_watched(struct conversation *conversation);
/* Sends what fails in the same place; the answer says why (answer_error.h). */
enum verdict client_text_fail(struct conversation *conversation, const struct client_text *text, uint16_t flag,
			      struct round *round);
/* Sends what was made of it. Takes over rewrite. */
enum verdict client_text_replace(struct conversation *conversation, const struct client_text *text,
				 struct rewrite *rewrite, struct round *round);
enum verdict client_text_ask_search_path(struct conversation *conversation, const struct client_text *text,
					 struct round *round);
/* The text may mean something else once earlier segments have settled. */
bool client_text_must_settle(const struct conversation *conversation, const struct rewrite *rewrite);
/* The session's own DDL may have changed what the text's names mean. */
bool client_text_must_look(struct conversation *conversation, const struct rewrite *rewrite);
/* What is counted for the text is counted for the place in the application's code that it names.
 * Takes the rewrite over and gives one back. */
struct rewrite *client_text_place(const struct conversation *conversation, struct slice sql, struct rewrite *rewrite);
/* Only what uses the map, or changes the session, or may come to, is worth remembering; NULL: it is not. */
struct rewrite *client_text_worth_keeping(struct rewrite *rewrite);

/* ---- reprepare.c ---- */

/*
 * Before something runs a prepared statement: PASS when the server has the
 * statement that rules and session state make of its text now, HOLD while it
 * is being prepared anew, DONE when something was sent that fails in place of
 * what was to run it. in_place: the text that runs it; NULL: Bind or Describe.
 */
enum verdict reprepare_statement(struct conversation *conversation, struct name *statement,
				 const struct client_text *in_place, struct round *round);
/* All that are run by EXECUTE in SQL. */
enum verdict reprepare_executed(struct conversation *conversation, const struct rewrite *rewrite,
				const struct client_text *in_place, struct round *round);

#endif
