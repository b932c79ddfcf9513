/*
 * A YAML file as a tree of values that know where they stand, so that every
 * complaint has a line and a column. Only what configuration needs: one
 * document of mappings, lists and texts. Anchors, aliases, tags, duplicate
 * keys and further documents are refused; size, depth and the number of
 * values are bounded.
 */
#ifndef CROSSFADE_CONFIG_YAML_TREE_H
#define CROSSFADE_CONFIG_YAML_TREE_H

#include "base/arena.h"
#include "base/error.h"

enum {
	YAML_MAX_BYTES = 16 * 1024 * 1024,
	YAML_MAX_VALUES = 1000000,
	YAML_MAX_DEPTH = 32,
};

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml_value {
	enum yaml_kind kind;
	bool quoted;		  /* YAML_TEXT: written in quotes or as a block, so never null */
	bool flow;		  /* YAML_LIST, YAML_MAP: written in brackets */
	uint32_t line, column;	  /* 1-based, column in characters */
	uint32_t end_line, end_column; /* just behind it; in block style maybe at what comes next */
	const char *text;	  /* YAML_TEXT: without NUL inside */
	struct yaml_value *keys;  /* YAML_MAP: YAML_TEXT each, distinct */
	struct yaml_value *items; /* YAML_LIST, YAML_MAP: the values */
	size_t count;
};

struct yaml_doc {
	struct arena arena;
	const char *file; /* for messages */
	struct yaml_value root; /* an empty file is a null text */
};

/* doc_out is to be ended with yaml_doc_deinit only after success. */
bool yaml_load_text(struct slice text, const char *file, struct yaml_doc *doc_out, struct error *error_out);
bool yaml_load_file(const char *path, struct yaml_doc *doc_out, struct error *error_out);
void yaml_doc_deinit(struct yaml_doc *doc);

/* Nothing, ~ or null: the key is there, its value is not. */
bool yaml_is_null(const struct yaml_value *value);
/* NULL when map has no such key. */
const struct yaml_value *yaml_get(const struct yaml_value *map, const char *key);

/* Always false, so that a loader can return it. */
bool yaml_fail(const struct yaml_doc *doc, const struct yaml_value *at, struct error *error_out,
	       const char *format, ...) __attribute__((format(printf, 4, 5)));
/* what: how the message calls the value, such as "`groups`". */
bool yaml_expect(const struct yaml_doc *doc, const struct yaml_value *value, enum yaml_kind kind,
		 const char *what, struct error *error_out);
/* what: the place the keys belong to, such as "a map". */
bool yaml_check_keys(const struct yaml_doc *doc, const struct yaml_value *map, const char *const *known,
		     size_t known_count, const char *what, struct error *error_out);

/* Appends text as a YAML scalar that reads back as the same text. */
struct buf;
void yaml_append_text(struct buf *out, const char *text);

#endif
