#include "rewrite/words.h"

struct word {
	const char *text;
	unsigned flags;
};

enum { WORD_MIN = 2, WORD_MAX = 29 };

/* By length, so that most words are told apart without a comparison. */
static const struct word *const words_by_length[WORD_MAX + 1] = {
	[2] = (const struct word[]){ { "or", WORD_LIMITS }, { "do", WORD_EFFECT | WORD_READS_NAMES }, { 0 } },
	[3] = (const struct word[]){ { "and", WORD_LIMITS },
				     { "end", WORD_EFFECT | WORD_END | WORD_TRANSACTION },
				     { "set", WORD_EFFECT },
				     { 0 } },
	[4] = (const struct word[]){ { "case", WORD_CASE },
				     { "when", WORD_ARM },
				     { "then", WORD_ARM },
				     { "else", WORD_ARM },
				     { "join", WORD_CHAIN },
				     { "drop", WORD_DDL },
				     { "temp", WORD_TEMP },
				     { "call", WORD_EFFECT },
				     { "role", WORD_CATALOG },
				     { "user", WORD_CATALOG },
				     { 0 } },
	[5] = (const struct word[]){ { "union", WORD_CHAIN },
				     { "begin", WORD_EFFECT | WORD_TRANSACTION },
				     { "start", WORD_EFFECT },
				     { "abort", WORD_EFFECT | WORD_TRANSACTION },
				     { "alter", WORD_DDL },
				     { "grant", WORD_DDL },
				     { "reset", WORD_EFFECT },
				     { "owned", WORD_CATALOG },
				     { 0 } },
	[6] = (const struct word[]){ { "except", WORD_CHAIN },
				     { "commit", WORD_EFFECT | WORD_TRANSACTION },
				     { "create", WORD_DDL },
				     { "revoke", WORD_DDL },
				     { "import", WORD_DDL },
				     { "schema", WORD_CATALOG },
				     { "setval", WORD_READS_NAMES },
				     { "dblink", WORD_READS_NAMES },
				     { 0 } },
	[7] = (const struct word[]){ { "between", WORD_BETWEEN },
				     { "discard", WORD_EFFECT },
				     { "prepare", WORD_EFFECT },
				     { "comment", WORD_DDL },
				     { "reindex", WORD_DDL },
				     { "execute", WORD_EFFECT },
				     { "release", WORD_EFFECT },
				     { "nextval", WORD_READS_NAMES },
				     { "ts_stat", WORD_READS_NAMES },
				     { "currval", WORD_READS_NAMES },
				     { "regtype", WORD_READS_NAMES },
				     { "routine", WORD_READS_NAMES | WORD_CATALOG },
				     { 0 } },
	[8] = (const struct word[]){ { "rollback", WORD_EFFECT | WORD_TRANSACTION },
				     { "crosstab", WORD_READS_NAMES },
				     { "regclass", WORD_READS_NAMES },
				     { "function", WORD_READS_NAMES | WORD_CATALOG },
				     { "database", WORD_CATALOG },
				     { 0 } },
	[9] = (const struct word[]){ { "intersect", WORD_CHAIN },
				     { "savepoint", WORD_EFFECT },
				     { "temporary", WORD_TEMP },
				     { "procedure", WORD_READS_NAMES | WORD_CATALOG },
				     { 0 } },
	[10] = (const struct word[]){ { "deallocate", WORD_EFFECT },
				      { "set_config", WORD_SETTER },
				      { "to_regtype", WORD_READS_NAMES },
				      { "pg_prewarm", WORD_READS_NAMES },
				      { 0 } },
	[11] = (const struct word[]){ { "to_regclass", WORD_READS_NAMES }, { "pgstattuple", WORD_READS_NAMES },
				      { "pgstatindex", WORD_READS_NAMES },
				      { "regoperator", WORD_READS_NAMES },
				      { "dblink_exec", WORD_READS_NAMES },
				      { "pg_relpages", WORD_READS_NAMES },
				      { 0 } },
	[12] = (const struct word[]){ { "table_to_xml", WORD_READS_NAMES },
				      { "regprocedure", WORD_READS_NAMES },
				      { "query_to_xml", WORD_READS_NAMES },
				      { "pg_freespace", WORD_READS_NAMES },
				      { 0 } },
	[13] = (const struct word[]){ { "pg_table_size", WORD_READS_NAMES },
				      { "pg_visibility", WORD_READS_NAMES },
				      { 0 } },
	[14] = (const struct word[]){ { "pg_get_viewdef", WORD_READS_NAMES },
				      { "to_regoperator", WORD_READS_NAMES },
				      { 0 } },
	[15] = (const struct word[]){ { "pg_indexes_size", WORD_READS_NAMES },
				      { "to_regprocedure", WORD_READS_NAMES },
				      { 0 } },
	[16] = (const struct word[]){ { "pg_relation_size", WORD_READS_NAMES }, { 0 } },
	[17] = (const struct word[]){ { "pg_partition_root", WORD_READS_NAMES },
				      { "pg_partition_tree", WORD_READS_NAMES },
				      { "pg_visibility_map", WORD_READS_NAMES },
				      { 0 } },
	[18] = (const struct word[]){ { "has_type_privilege", WORD_READS_NAMES },
				      { "table_to_xmlschema", WORD_READS_NAMES },
				      { "pgstattuple_approx", WORD_READS_NAMES },
				      { "query_to_xmlschema", WORD_READS_NAMES },
				      { 0 } },
	[19] = (const struct word[]){ { "has_table_privilege", WORD_READS_NAMES },
				      { "row_security_active", WORD_READS_NAMES },
				      { 0 } },
	[20] = (const struct word[]){ { "has_column_privilege", WORD_READS_NAMES },
				      { "pg_relation_filenode", WORD_READS_NAMES },
				      { "pg_relation_filepath", WORD_READS_NAMES },
				      { "brin_summarize_range", WORD_READS_NAMES },
				      { 0 } },
	[21] = (const struct word[]){ { "pg_index_has_property", WORD_READS_NAMES }, { 0 } },
	[22] = (const struct word[]){ { "has_function_privilege", WORD_READS_NAMES },
				       { "has_sequence_privilege", WORD_READS_NAMES },
				      { "pg_get_serial_sequence", WORD_READS_NAMES },
				      { "pg_total_relation_size", WORD_READS_NAMES },
				      { "pg_sequence_last_value", WORD_READS_NAMES },
				      { "pg_partition_ancestors", WORD_READS_NAMES },
				      { "brin_desummarize_range", WORD_READS_NAMES },
				      { "gin_clean_pending_list", WORD_READS_NAMES },
				      { 0 } },
	[24] = (const struct word[]){ { "has_any_column_privilege", WORD_READS_NAMES },
				      { "pg_relation_is_updatable", WORD_READS_NAMES },
				      { 0 } },
	[25] = (const struct word[]){ { "brin_summarize_new_values", WORD_READS_NAMES },
				      { "pg_visibility_map_summary", WORD_READS_NAMES },
				      { 0 } },
	[26] = (const struct word[]){ { "query_to_xml_and_xmlschema", WORD_READS_NAMES },
				      { "table_to_xml_and_xmlschema", WORD_READS_NAMES },
				      { "pg_relation_is_publishable", WORD_READS_NAMES },
				      { 0 } },
	[28] = (const struct word[]){ { "pg_index_column_has_property", WORD_READS_NAMES }, { 0 } },
	[29] = (const struct word[]){ { "pg_get_replica_identity_index", WORD_READS_NAMES }, { 0 } },
};

/* Compares an unquoted word without case; word holds letters and _ only. */
static bool matches(const char *data, const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = data[i];
		if (c != word[i] && !(c >= 'A' && c <= 'Z' && c + 32 == word[i]))
			return false;
	}
	return true;
}

static unsigned look_up(const char *data, size_t len)
{
	if (len < WORD_MIN || len > WORD_MAX || !words_by_length[len])
		return 0;
	for (const struct word *word = words_by_length[len]; word->text; word++) {
		if (strlen(word->text) == len && matches(data, word->text, len))
			return word->flags;
	}
	return 0;
}

unsigned word_flags(struct slice text, const struct token *token)
{
	if (token->class == TOKEN_WORD)
		return look_up(text.data + token->offset, token->len);
	if (token->class > TOKEN_UQUOTED)
		return 0;
	/* "set_config"(…) calls the function as well; quoted keywords are just names. */
	char name[NAME_MAX_BYTES + 1];
	size_t len = token_identifier(text, token, name);
	return look_up(name, len) & (WORD_SETTER | WORD_READS_NAMES);
}
