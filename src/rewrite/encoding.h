/*
 * Texts in other encodings than the map's, which is UTF-8: a name beyond ASCII
 * is other bytes there, and in some encodings a byte of a character can look
 * like a letter or a quote.
 */
#ifndef CROSSFADE_REWRITE_ENCODING_H
#define CROSSFADE_REWRITE_ENCODING_H

#include "model/ruleset.h"
#include "rewrite/lexer.h"
#include "rewrite/splice.h"

bool encoding_has_high_bytes(struct slice text);
/* The text cannot be taken apart into tokens. */
bool encoding_cannot_be_lexed(struct slice sql, const struct session_state *state);
/* Names in the text may be names of the map without having their bytes. Uses tokens for itself. */
bool encoding_may_hide_names(struct slice sql, const struct session_state *state, const struct ruleset *ruleset,
			     struct token_list *tokens);
/* Names of the map would go into the text with bytes that mean something else there. */
bool encoding_garbles(const struct splice_list *splices, const struct session_state *state,
		      const struct ruleset *ruleset);

#endif
