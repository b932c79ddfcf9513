/*
 * PostgreSQL's lexical rules in one pass over the text: enough to tell names,
 * literals, comments and operators apart and to know where each stands.
 * Tokens say where, not what: identifiers and strings are decoded on demand.
 */
#ifndef CROSSFADE_REWRITE_LEXER_H
#define CROSSFADE_REWRITE_LEXER_H

#include "base/arena.h"
#include "model/name.h"

#include <stdint.h>

enum token_class {
	TOKEN_WORD,	/* unquoted identifier or keyword */
	TOKEN_QUOTED,	/* "identifier" */
	TOKEN_UQUOTED,	/* U&"identifier" [UESCAPE 'c'] */
	TOKEN_STRING,	/* '…', continuation lines included */
	TOKEN_ESTRING,	/* E'…', and '…' while standard_conforming_strings is off */
	TOKEN_USTRING,	/* U&'…' [UESCAPE 'c'] */
	TOKEN_DOLLAR,	/* $tag$…$tag$ */
	TOKEN_BITS,	/* B'…', X'…' */
	TOKEN_NSTRING,	/* N'…' */
	TOKEN_NUMBER,
	TOKEN_PARAM,	/* $1 */
	TOKEN_OPERATOR,
	TOKEN_PUNCTUATION, /* one of ( ) [ ] , . ; : and the pairs :: .. := */
};

struct token {
	uint32_t offset, len;
	uint32_t body_len; /* U& tokens: up to the closing quote; else len */
	uint8_t class;	   /* enum token_class */
	char escape;	   /* U& tokens: the escape character */
	bool digits;	   /* known to be nothing else */
};

enum lexer_status {
	LEXER_OK,
	LEXER_NUL,	    /* a NUL byte; tokens end before it */
	LEXER_UNTERMINATED, /* a quote or comment without end; tokens end before it */
	LEXER_TOO_LONG,	    /* text beyond what offsets can hold */
};

struct token_list {
	struct token *items; /* reused from text to text */
	size_t count, capacity;
	enum lexer_status status;
	size_t end;	   /* where the tokens end: the text's length unless status says otherwise */
	bool has_comments;
};

void token_list_init(struct token_list *tokens);
void token_list_deinit(struct token_list *tokens);

void lexer_run(struct slice text, bool standard_strings, struct token_list *tokens);

/* Copies text to copy (text.len bytes and a NUL) with every comment overwritten by spaces. */
void lexer_blank_comments(struct slice text, const struct token_list *tokens, char *copy);

/* Index of the token that starts at or, failing that, contains offset; count when none does. */
size_t token_at(const struct token_list *tokens, size_t offset);

static inline bool token_is_identifier(const struct token *token)
{
	return token->class <= TOKEN_UQUOTED;
}

static inline bool token_is_literal(const struct token *token)
{
	return token->class >= TOKEN_STRING && token->class <= TOKEN_NUMBER;
}

static inline struct slice token_text(struct slice text, const struct token *token)
{
	return slice_of(text.data + token->offset, token->len);
}

bool token_is(struct slice text, const struct token *token, const char *punctuation);
/* An unquoted word, compared without case; keyword in lower case. */
bool token_is_word(struct slice text, const struct token *token, const char *keyword);

/* As the catalog would store it: folded or decoded, cut at 63 bytes; a NUL is added. */
size_t token_identifier(struct slice text, const struct token *token, char name_out[NAME_MAX_BYTES + 1]);

/* The value of a string literal of any kind; false when it is malformed or holds a NUL. */
bool token_string(struct arena *arena, struct slice text, const struct token *token, struct slice *value_out);

#endif
