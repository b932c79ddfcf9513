#include "rewrite/encoding.h"

bool encoding_has_high_bytes(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((uint8_t)text.data[i] >= 0x80)
			return true;
	}
	return false;
}

bool encoding_cannot_be_lexed(struct slice sql, const struct session_state *state)
{
	return session_state_encoding(state) == ENCODING_UNSAFE && encoding_has_high_bytes(sql);
}

static bool matters(const struct session_state *state, const struct ruleset *ruleset)
{
	enum encoding_class encoding = session_state_encoding(state);
	return ruleset->has_wide_names && encoding != ENCODING_UTF8 && encoding != ENCODING_AS_STORED;
}

bool encoding_may_hide_names(struct slice sql, const struct session_state *state, const struct ruleset *ruleset,
			     struct token_list *tokens)
{
	if (!matters(state, ruleset) || !encoding_has_high_bytes(sql))
		return false;
	lexer_run(sql, session_state_standard_strings(state), tokens);
	for (size_t i = 0; i < tokens->count; i++) {
		if (token_is_identifier(&tokens->items[i]) && encoding_has_high_bytes(token_text(sql, &tokens->items[i])))
			return true;
	}
	return false;
}

bool encoding_garbles(const struct splice_list *splices, const struct session_state *state,
		      const struct ruleset *ruleset)
{
	if (!matters(state, ruleset))
		return false;
	for (size_t i = 0; i < splices->count; i++) {
		if (encoding_has_high_bytes(splices->items[i].text))
			return true;
	}
	return false;
}
