/*
 * What the embeddable rewriter does with SQL from the command line.
 *
 *   cc rewrite.c $(pkg-config --cflags --libs crossfade) -o rewrite
 *   ./rewrite v10-to-v13.yaml flags.yaml 'SELECT * FROM public.prices'
 */
#include <crossfade/rewriter.h>

#include <stdio.h>
#include <string.h>

static void print_error(const struct crossfade_error *error)
{
	if (error->file[0])
		fprintf(stderr, "%s:%u:%u: ", error->file, error->line, error->column);
	fprintf(stderr, "%s: %s\n", error->sqlstate, error->message);
	if (error->hint[0])
		fprintf(stderr, "HINT:  %s\n", error->hint);
}

static int show(const struct crossfade_result *result, const char *sql)
{
	for (size_t i = 0; i < crossfade_result_uses(result); i++) {
		struct crossfade_use use = crossfade_result_use(result, i);
		fprintf(stderr, "uses %s by its %s name: %s\n", use.table, use.new_name ? "new" : "old", use.kind);
	}
	switch (crossfade_result_outcome(result)) {
	case CROSSFADE_UNCHANGED:
		puts(sql);
		return 0;
	case CROSSFADE_REWRITTEN:
		puts(crossfade_result_sql(result, NULL));
		return 0;
	case CROSSFADE_REFUSED:
		print_error(crossfade_result_refusal(result));
		return 1;
	case CROSSFADE_NEED_SEARCH_PATH:
		fputs("the session's search_path is needed\n", stderr);
		return 1;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct crossfade_policy policy = { 0 };
	struct crossfade_limits limits = { 0 };
	struct crossfade_error error;
	if (argc != 4) {
		fprintf(stderr, "usage: %s MAP FLAGS SQL\n", argv[0]);
		return 2;
	}
	struct crossfade_rules *rules = crossfade_rules_load(argv[1], argv[2], NULL, policy, &error);
	if (!rules) {
		print_error(&error);
		return 2;
	}
	struct crossfade_session *session = crossfade_session_new("aegis", "app", "\"$user\", public");
	struct crossfade_rewriter *rewriter = crossfade_rewriter_new(limits);
	struct crossfade_result *result = crossfade_rewrite(rewriter, rules, session, argv[3], strlen(argv[3]));
	int code = show(result, argv[3]);
	crossfade_session_apply(session, result); /* as if the server had run it */
	crossfade_result_free(result);
	crossfade_rewriter_free(rewriter);
	crossfade_session_free(session);
	crossfade_rules_unref(rules);
	return code;
}
