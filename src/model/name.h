/*
 * Names as the catalog knows them: decoded, case as stored, cut at 63 bytes.
 * "Written" is what SQL says, "physical" where the rows are.
 */
#ifndef CROSSFADE_MODEL_NAME_H
#define CROSSFADE_MODEL_NAME_H

#include "base/arena.h"
#include "base/buf.h"

enum { NAME_MAX_BYTES = 63 };

struct rel_name {
	const char *schema; /* NULL: unqualified */
	const char *name;
};

/* Lower-case ASCII letters, digits, _ and $: an unquoted word can mean it. */
bool name_is_word(const char *name);

bool rel_name_eq(struct rel_name a, struct rel_name b);
struct rel_name rel_name_copy(struct arena *arena, struct rel_name name);

/* Appends name as an SQL identifier, quoted where the server would need it. */
void name_append_quoted(struct buf *out, const char *name);
void rel_name_append(struct buf *out, struct rel_name name);
const char *name_print_quoted(struct arena *arena, const char *name);
const char *rel_name_print(struct arena *arena, struct rel_name name);

/* One comma-separated list of identifiers, as search_path is written; false when malformed. */
struct name_list {
	const char **names;
	size_t count;
};
bool name_list_parse(struct arena *arena, struct slice text, struct name_list *list_out);

#endif
