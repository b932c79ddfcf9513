#include "corpus.h"

#include "canonical.h"
#include "rewrite/tree.h"
#include "sql_text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { NAME_USABLE_BYTES = 48, PARSE_BYTES = 1024 * 1024, PARSE_NESTING = 8000 };

void corpus_init(struct corpus *corpus)
{
	*corpus = (struct corpus){ 0 };
	arena_init(&corpus->arena);
}

void corpus_deinit(struct corpus *corpus)
{
	free(corpus->statements);
	free(corpus->names);
	arena_deinit(&corpus->arena);
}

/* ---- files ---- */

static void *grown(void *items, size_t *capacity, size_t size)
{
	*capacity = *capacity ? *capacity * 2 : 1024;
	void *more = realloc(items, *capacity * size);
	if (!more)
		abort();
	return more;
}

static void add_statement(void *context, struct slice sql, unsigned line)
{
	struct corpus *c = context;
	if (c->count == c->capacity)
		c->statements = grown(c->statements, &c->capacity, sizeof(*c->statements));
	c->statements[c->count++] = (struct corpus_statement){
		c->file, line, slice_of(arena_copy(&c->arena, sql.data, sql.len), sql.len)
	};
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);
	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Of test files in blocks only the SQL: their other lines begin with a mark. */
static void blank_marks(char *text, size_t len, const char *marks)
{
	bool blank = false;
	for (size_t i = 0; i < len; i++) {
		if (i == 0 || text[i - 1] == '\n') {
			blank = strchr(marks, text[i]) != NULL;
			if (blank) {
				text[i] = ';';
				continue;
			}
		}
		if (blank && text[i] != '\n')
			text[i] = ' ';
	}
}

static bool add_file(struct corpus *c, const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return false;
	struct buf text;
	buf_init(&text);
	char chunk[65536];
	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), file)) > 0;)
		buf_append(&text, chunk, n);
	fclose(file);
	const char *name = strrchr(path, '/');
	c->file = arena_strdup(&c->arena, name ? name + 1 : path);
	if (ends_with(path, ".case"))
		blank_marks(text.data, text.len, "%#");
	else if (ends_with(path, ".cases"))
		blank_marks(text.data, text.len, "#@;");
	sql_text_each(buf_slice(&text), add_statement, c);
	buf_deinit(&text);
	return true;
}

static int only_sql(const struct dirent *entry)
{
	return ends_with(entry->d_name, ".sql");
}

bool corpus_add(struct corpus *c, const char *path)
{
	struct stat about;
	struct dirent **entries;
	if (stat(path, &about) != 0)
		return false;
	if (!S_ISDIR(about.st_mode))
		return add_file(c, path);
	int count = scandir(path, &entries, only_sql, alphasort);
	for (int i = 0; i < count; i++) {
		char full[4096];
		snprintf(full, sizeof(full), "%s/%s", path, entries[i]->d_name);
		add_file(c, full);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return count > 0;
}

/* ---- names ---- */

const PgQuery__ParseResult *corpus_parse(struct arena *arena, struct slice sql)
{
	struct token_list tokens;
	const PgQuery__ParseResult *tree;
	struct parse_limits limits = { PARSE_BYTES, PARSE_NESTING };
	token_list_init(&tokens);
	lexer_run(sql, true, &tokens);
	bool parsed = parse_run(arena, sql, &tokens, true, limits, NULL, &tree) == PARSE_OK;
	token_list_deinit(&tokens);
	return parsed ? tree : NULL;
}

static bool is_usable(const PgQuery__RangeVar *range)
{
	const char *schema = range->schemaname, *name = range->relname;
	if (range->catalogname[0] || range->relpersistence[0] == 't' || !name[0])
		return false;
	return strncmp(schema, "pg_", 3) != 0 && strcmp(schema, "information_schema") != 0 &&
	       strncmp(name, "pg_", 3) != 0 && strlen(name) <= NAME_USABLE_BYTES && strlen(schema) <= NAME_USABLE_BYTES;
}

static void collect(void *context, const ProtobufCMessage *message)
{
	struct corpus *c = context;
	if (canonical_names_others(message))
		return;
	if (message->descriptor == &pg_query__range_var__descriptor) {
		const PgQuery__RangeVar *range = (const PgQuery__RangeVar *)message;
		if (!is_usable(range))
			return;
		if (c->name_count == c->name_capacity)
			c->names = grown(c->names, &c->name_capacity, sizeof(*c->names));
		const char *schema = range->schemaname[0] ? range->schemaname : CANONICAL_SCHEMA;
		c->names[c->name_count++] = rel_name_copy(&c->arena, (struct rel_name){ schema, range->relname });
	}
	tree_each_child(message, collect, context);
}

static int compare_names(const void *a, const void *b)
{
	const struct rel_name *x = a, *y = b;
	int by_schema = strcmp(x->schema, y->schema);
	return by_schema ? by_schema : strcmp(x->name, y->name);
}

void corpus_collect_names(struct corpus *c)
{
	struct arena arena;
	arena_init(&arena);
	for (size_t i = 0; i < c->count; i++) {
		arena_reset(&arena);
		const PgQuery__ParseResult *tree = corpus_parse(&arena, c->statements[i].sql);
		if (tree)
			collect(c, &tree->base);
	}
	arena_deinit(&arena);
	if (c->name_count == 0)
		return;
	qsort(c->names, c->name_count, sizeof(*c->names), compare_names);
	size_t kept = 1;
	for (size_t i = 1; i < c->name_count; i++) {
		if (compare_names(&c->names[i], &c->names[kept - 1]) != 0)
			c->names[kept++] = c->names[i];
	}
	c->name_count = kept;
}
