/* The words that decide whether a text must be parsed, and how deep it can nest. */
#ifndef CROSSFADE_REWRITE_WORDS_H
#define CROSSFADE_REWRITE_WORDS_H

#include "rewrite/lexer.h"

enum word_flag {
	WORD_EFFECT = 1 << 0,	/* a statement that starts with it changes the session */
	WORD_DDL = 1 << 1,	/* … changes the catalog */
	WORD_CATALOG = 1 << 2,	/* with WORD_DDL: the change can alter what a name means */
	WORD_TEMP = 1 << 3,
	WORD_SETTER = 1 << 4,	/* set_config */
	WORD_READS_NAMES = 1 << 5, /* takes names of relations as strings, or a body of code */
	WORD_LIMITS = 1 << 6,	/* AND, OR: what binds tighter ends here */
	WORD_CASE = 1 << 7,
	WORD_ARM = 1 << 8,	/* WHEN, THEN, ELSE */
	WORD_END = 1 << 9,
	WORD_BETWEEN = 1 << 10,
	WORD_CHAIN = 1 << 11,	/* UNION, JOIN, …: each makes what stands before it deeper */
	WORD_TRANSACTION = 1 << 12, /* alone it is a whole statement: BEGIN, COMMIT, … */
};

/* 0 for every other word. */
unsigned word_flags(struct slice text, const struct token *token);

#endif
