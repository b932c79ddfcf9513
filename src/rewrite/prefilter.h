/* What can be told from tokens alone, so that most texts need neither a parse nor an allocation. */
#ifndef CROSSFADE_REWRITE_PREFILTER_H
#define CROSSFADE_REWRITE_PREFILTER_H

#include "model/ruleset.h"
#include "model/session_state.h"
#include "rewrite/lexer.h"

enum prefilter {
	PREFILTER_NOTHING, /* names nothing mapped, does nothing to the session */
	PREFILTER_NOTHING_IN_LITERALS, /* the same; literals were looked at to tell */
	PREFILTER_BEGIN,   /* these words alone */
	PREFILTER_COMMIT,
	PREFILTER_ROLLBACK,
	PREFILTER_ANALYSE,
};

/* scratch: tokens of string literals. */
enum prefilter prefilter_run(struct slice text, const struct token_list *tokens, const struct ruleset *ruleset,
			     bool has_temp, struct token_list *scratch);

/* Does the text name something mapped, in whatever place? */
bool prefilter_mentions(struct slice text, const struct token_list *tokens, const struct ruleset *ruleset);
/* The same for texts in encodings that cannot be lexed: bytes between non-ASCII ones. */
bool prefilter_mentions_bytes(struct slice text, const struct ruleset *ruleset);
/* … and whether one of its statements may begin with a word that changes the session. */
bool prefilter_effect_in_bytes(struct slice text);

#endif
