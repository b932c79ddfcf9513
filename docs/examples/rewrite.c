/*
 * What the embeddable rewriter does with SQL from the command line.
 *
 *   cc rewrite.c $(pkg-config --cflags --libs crossfade) -o rewrite
 *   ./rewrite v10-to-v13.yaml flags.yaml 'SELECT * FROM public.prices'
 *   ./rewrite v10-to-v13.yaml flags.yaml 'SELECT nextval($1)' public.prices_id_seq
 *
 * The text goes to stdout, what is known of it to stderr: what each name became
 * and why, what is used, which parameters are names and what they become.
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

/* What one session needs. */
struct work {
	struct crossfade_rules *rules;
	struct crossfade_session *session;
	struct crossfade_rewriter *rewriter;
};

static void explain(const struct work *work, const char *sql)
{
	struct crossfade_explanation *e =
		crossfade_explain(work->rewriter, work->rules, work->session, sql, strlen(sql));
	for (size_t i = 0; i < crossfade_explanation_count(e); i++) {
		const struct crossfade_reference *r = crossfade_explanation_item(e, i);
		fprintf(stderr, "%s is %s: %s [%s]\n", r->written, r->resolved, r->became ? r->became : "unchanged", r->rule);
	}
	crossfade_explanation_free(e);
}

/* Values of those parameters that are read as names of relations. */
static void bind_values(const struct work *work, const struct crossfade_result *result, int count, char **values)
{
	size_t names;
	const uint16_t *numbers = crossfade_result_parameters(result, &names);
	for (size_t i = 0; i < names; i++) {
		if (numbers[i] > count)
			continue;
		const char *value = values[numbers[i] - 1];
		struct crossfade_result *bound = crossfade_rewrite_parameter(work->rewriter, work->rules, work->session,
									     value, strlen(value));
		const char *sent = crossfade_result_sql(bound, NULL);
		fprintf(stderr, "$%u is bound to %s\n", numbers[i], sent ? sent : value);
		crossfade_result_free(bound);
	}
}

static int show(const struct crossfade_result *result, const char *sql)
{
	for (size_t i = 0; i < crossfade_result_notices(result); i++) {
		struct crossfade_error notice = crossfade_result_notice(result, i);
		fprintf(stderr, "WARNING: %s\nHINT:  %s\n", notice.message, notice.hint);
	}
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
	case CROSSFADE_NEED_SEARCH_PATH: /* ask what crossfade_session_questions says, and rewrite again */
		fputs("the session's search_path is needed\n", stderr);
		return 1;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct crossfade_policy policy = { .notice_opaque = true };
	struct crossfade_limits limits = { 0 };
	struct crossfade_error error;
	if (argc < 4) {
		fprintf(stderr, "usage: %s MAP FLAGS SQL [VALUE...]\n", argv[0]);
		return 2;
	}
	struct work work = { .rules = crossfade_rules_load(argv[1], argv[2], NULL, policy, &error) };
	if (!work.rules) {
		print_error(&error);
		return 2;
	}
	const char *sql = argv[3];
	work.session = crossfade_session_new("aegis", "app", "\"$user\", public");
	work.rewriter = crossfade_rewriter_new(limits);
	explain(&work, sql);
	struct crossfade_result *result = crossfade_rewrite(work.rewriter, work.rules, work.session, sql, strlen(sql));
	int code = show(result, sql);
	bind_values(&work, result, argc - 4, argv + 4);
	crossfade_session_apply(work.session, result); /* as if the server had run it */
	crossfade_result_free(result);
	crossfade_rewriter_free(work.rewriter);
	crossfade_session_free(work.session);
	crossfade_rules_unref(work.rules);
	return code;
}
