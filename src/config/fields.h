/*
 * Settings as a table of fields: one row per key says its type, bounds,
 * unit, whether a reload applies it, what it is for and where its value goes.
 * Loading, `crossfade config` and the documentation all come from the table.
 * Modules own their settings structs and defaults; whoever composes them
 * registers the rows (offsets into one struct that holds them all).
 */
#ifndef CROSSFADE_CONFIG_FIELDS_H
#define CROSSFADE_CONFIG_FIELDS_H

#include "base/buf.h"
#include "config/yaml_tree.h"

enum field_kind {
	FIELD_BOOL,
	FIELD_INT,
	FIELD_BYTES,	/* 64, 16kB, 8MB, 1GB: powers of 1024 */
	FIELD_DURATION, /* 500ms, 60s, 5min, 2h, 35d; a number needs its unit unless it is 0 */
	FIELD_ENUM,
	FIELD_TEXT,
	FIELD_PATH,	/* relative to the file's folder */
	FIELD_CUSTOM,	/* parse and format of its own */
};

struct field;

struct field_context {
	const struct yaml_doc *doc;
	struct arena *arena; /* for what the settings point to */
	const char *folder;  /* of the file */
	struct error *error;
};

typedef bool field_parse_fn(struct field_context *context, const struct field *field,
			    const struct yaml_value *value, void *place);
/* Appends the value as YAML in one line. */
typedef void field_format_fn(const struct field *field, const void *place, struct buf *out);

struct field {
	const char *path; /* "limits.clients" */
	enum field_kind kind;
	bool reloadable;
	bool required;
	bool secret;		  /* never shown */
	size_t offset, size;	  /* of the value in the settings */
	uint64_t min, max;	  /* in the stored unit; max 0: what fits */
	const char *zero;	  /* word that stands for 0, such as "auto" or "off" */
	uint32_t stored_ms;	  /* FIELD_DURATION: milliseconds in one stored unit */
	const char *const *words; /* FIELD_ENUM: ends with NULL; the index is the value */
	const char *unless;	  /* required only while this other key is not given */
	const char *example;	  /* required fields and those without a default */
	const char *unit;	  /* of a FIELD_INT, for people */
	field_parse_fn *parse;
	field_format_fn *format;
	const char *help;
};

#define FIELD_PLACE(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

struct field_table {
	const struct field *fields;
	size_t count;
};

/* settings holds the defaults before; after a failure it is half filled. */
bool fields_load(struct field_table table, const struct yaml_doc *doc, const char *folder, struct arena *arena,
		 void *settings, struct error *error_out);
/* The value in settings as YAML; secrets are masked unless `reveal`. */
void field_format(const struct field *field, const void *settings, bool reveal, struct buf *out);

/* For custom fields. */
#define FIELD_FAIL(context, value, ...) yaml_fail((context)->doc, (value), (context)->error, __VA_ARGS__)
bool field_path(struct field_context *context, const struct yaml_value *value, const char **path_out);
bool field_text(struct field_context *context, const struct field *field, const struct yaml_value *value,
		const char **text_out);

/* Calls on_change for each field that differs and that no reload applies. */
void fields_compare(struct field_table table, const void *before, const void *after,
		    void (*on_change)(void *context, const struct field *field), void *context);

/* Every key with its default, unit, reload and help, as YAML that loads. */
void fields_document(struct field_table table, const void *defaults, struct buf *out);
/* The keys with their values, as YAML. */
void fields_show(struct field_table table, const void *settings, struct buf *out);
/* A Markdown table for the documentation. */
void fields_document_markdown(struct field_table table, const void *defaults, struct buf *out);

#endif
