/*
 * The text of a Query to the console, split into statements and those into
 * words, as SQL writes them: comments, "quoted" names, 'strings', $1, and
 * everything else. Positions count characters, for error messages.
 */
#ifndef CROSSFADE_ADMIN_CONSOLE_WORDS_H
#define CROSSFADE_ADMIN_CONSOLE_WORDS_H

#include "base/arena.h"
#include "base/error.h"

enum console_word_kind {
	CONSOLE_END,	   /* behind the last word */
	CONSOLE_WORD,	   /* a keyword, a name or a number: in lower case */
	CONSOLE_QUOTED,	   /* "a name" */
	CONSOLE_STRING,	   /* 'a text' */
	CONSOLE_PARAMETER, /* $1 */
	CONSOLE_SYMBOL,	   /* one character */
};

struct console_word {
	enum console_word_kind kind;
	const char *text;  /* decoded; a symbol: itself */
	unsigned number;   /* of a parameter, from 1 */
	uint32_t position; /* 1-based */
};

struct console_statement {
	const struct console_word *words; /* ends with a CONSOLE_END; that alone: empty */
	size_t count;			  /* without the end */
	unsigned parameters;		  /* the highest number */
};

enum { CONSOLE_PARAMETERS_MAX = 64 };

/* At least one statement. False: a quote or comment is not closed, or there is a NUL. */
bool console_split(struct arena *arena, struct slice text, struct console_statement **statements_out,
		   size_t *count_out, struct error *error_out);

#endif
