/* What a program that embeds the rewriter looks like: built against what is installed, nothing else.
 * Each feature of the header is used once. */
#include <crossfade/rewriter.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Names that the library uses inside: a program may have its own. */
int arena_alloc(void);
int arena_alloc(void)
{
	return 0;
}

static const char map[] = "tables:\n"
			  "  public.prices: data.prices\n"
			  "  public.gone: data.gone\n"
			  "  public.investor: {to: data.flow, columns: {code: stock_code}, shape: {code: text, n: int},\n"
			  "    new_shape: {stock_code: text, n: int}}\n";
static const char flags[] = "flags:\n  public.prices: live\n  public.gone: complete\n  public.investor: live\n";

struct test {
	struct crossfade_rules *rules;
	struct crossfade_rewriter *rewriter;
	struct crossfade_session *session;
	int failed;
};

static struct crossfade_source text(const char *yaml)
{
	struct crossfade_source source = { yaml, yaml ? strlen(yaml) : 0, NULL };
	return source;
}

static void check(struct test *test, int holds, const char *what)
{
	if (!holds)
		printf("does not hold: %s\n", what);
	test->failed |= !holds;
}

static struct crossfade_result *run(struct test *test, const char *sql)
{
	return crossfade_rewrite(test->rewriter, test->rules, test->session, sql, strlen(sql));
}

/* want NULL: unchanged. The text takes effect on the session. */
static void expect(struct test *test, const char *sql, const char *want)
{
	struct crossfade_result *result = run(test, sql);
	size_t len = 0;
	const char *got = crossfade_result_sql(result, &len);
	check(test, got ? want && len == strlen(want) && memcmp(got, want, len) == 0 : !want, sql);
	printf("%s\n-> %.*s\n", sql, got ? (int)len : 1, got ? got : "=");
	crossfade_session_apply(test->session, result);
	crossfade_result_free(result);
}

static void check_columns(struct test *test)
{
	expect(test, "SELECT close FROM public.prices -- why", "SELECT close FROM data.prices -- why");
	expect(test, "SELECT close FROM public.stocks", NULL);
	expect(test, "SELECT code FROM public.investor", "SELECT code FROM data.flow AS investor(code, n)");
	expect(test, "UPDATE public.investor SET code = $1",
	       "UPDATE data.flow AS investor SET stock_code = $1");
}

static void check_refusal(struct test *test)
{
	struct crossfade_result *result = run(test, "SELECT 1; SELECT 2 FROM public.gone");
	const struct crossfade_error *refusal = crossfade_result_refusal(result);
	const char *failing = crossfade_result_failing_sql(result, NULL);
	check(test, crossfade_result_outcome(result) == CROSSFADE_REFUSED && refusal && !crossfade_result_sql(result, NULL),
	      "a retired name is refused");
	check(test, refusal && strcmp(refusal->sqlstate, "42P01") == 0 && refusal->position == 25, "it says why and where");
	check(test, failing && strncmp(failing, "SELECT 1; SELECT ", 17) == 0, "something to send in its place");
	check(test, crossfade_result_uses(result) == 1 && crossfade_result_use(result, 0).refused, "it is counted");
	crossfade_result_free(result);
}

static void check_parameters(struct test *test)
{
	size_t count = 0, len = 0;
	struct crossfade_result *result = run(test, "SELECT $2::regclass, $1 FROM public.prices");
	const uint16_t *numbers = crossfade_result_parameters(result, &count);
	check(test, count == 1 && numbers[0] == 2, "the second parameter is a name");
	check(test, crossfade_result_position(result, 34) == 30, "positions");
	crossfade_result_free(result);
	result = crossfade_rewrite_parameter(test->rewriter, test->rules, test->session, "{prices,other}", 14);
	const char *value = crossfade_result_sql(result, &len);
	check(test, value && len == strlen(value) && strcmp(value, "{\"data.prices\",other}") == 0, "an array of names");
	check(test, crossfade_result_uses(result) == 1 && strcmp(crossfade_result_use(result, 0).table, "public.prices") == 0,
	      "its use");
	crossfade_result_free(result);
	result = crossfade_rewrite_parameter(test->rewriter, test->rules, test->session, "other", 5);
	check(test, crossfade_result_outcome(result) == CROSSFADE_UNCHANGED && !crossfade_result_sql(result, NULL), "another name");
	crossfade_result_free(result);
}

static void check_answers(struct test *test)
{
	struct crossfade_result *result = run(test, "SELECT 1; INSERT INTO public.investor (code) VALUES (NULL)");
	struct crossfade_answer answer = { .sqlstate = "23502", .schema = "data", .table = "flow", .column = "stock_code",
					   .message = "null value in column \"stock_code\" of relation \"flow\" violates it" };
	crossfade_result_translate(result, test->rules, test->session, 1, &answer);
	check(test, strcmp(answer.schema, "public") == 0 && strcmp(answer.table, "investor") == 0 &&
		      strcmp(answer.column, "code") == 0, "fields are told in the names of the text");
	check(test, strcmp(answer.message, "null value in column \"code\" of relation \"investor\" violates it") == 0,
	      "so is the message");
	crossfade_result_free(result);
	result = run(test, "SELECT nix FROM public.prices WHERE nox");
	struct crossfade_answer unknown = { .sqlstate = "42703", .message = "column \"nox\" does not exist", .position = 35 };
	crossfade_result_translate(result, test->rules, test->session, 0, &unknown);
	check(test, unknown.position == 37 && !unknown.table && strcmp(unknown.message, "column \"nox\" does not exist") == 0,
	      "positions are those of the text");
	crossfade_result_translate(result, test->rules, test->session, 7, &unknown);
	crossfade_result_free(result);
}

static void check_session(struct test *test)
{
	const char *temporary[] = { "prices" };
	size_t count = 0;
	expect(test, "SELECT 1 FROM prices", "SELECT 1 FROM data.prices");
	expect(test, "SET LOCAL search_path = elsewhere", NULL);
	expect(test, "SELECT 1 FROM prices", "SELECT 1 FROM data.prices");
	expect(test, "BEGIN; SET LOCAL search_path = elsewhere", NULL);
	expect(test, "SELECT 1 FROM prices", NULL);
	expect(test, "COMMIT", NULL);
	expect(test, "BEGIN; CREATE TEMP TABLE prices (a int)", NULL);
	expect(test, "SELECT 1 FROM prices", NULL);
	crossfade_session_rolled_back(test->session);
	expect(test, "SELECT 1 FROM prices", "SELECT 1 FROM data.prices");
	expect(test, "DO 'BEGIN END'", NULL);
	struct crossfade_result *result = run(test, "SELECT 1 FROM prices");
	check(test, crossfade_result_outcome(result) == CROSSFADE_NEED_SEARCH_PATH, "after code only the server knows");
	crossfade_result_free(result);
	const struct crossfade_question *questions = crossfade_session_questions(test->session, &count);
	check(test, count == 4 && !questions[3].setting && strcmp(questions[2].sql, "SHOW role") == 0, "what to ask");
	crossfade_session_set(test->session, "search_path", "\"$user\", public");
	crossfade_session_set(test->session, "session_authorization", "app");
	crossfade_session_set(test->session, "role", "none");
	crossfade_session_set_temporary(test->session, temporary, 1);
	expect(test, "SELECT 1 FROM prices", NULL);
	expect(test, "DROP TABLE prices", NULL);
	expect(test, "SELECT 1 FROM prices", "SELECT 1 FROM data.prices");
	crossfade_session_questions(test->session, &count);
	check(test, count == 1, "nothing but the path, should it be needed");
}

static void check_explanation(struct test *test)
{
	const char *sql = "SELECT 1 FROM prices, investor";
	struct crossfade_explanation *e = crossfade_explain(test->rewriter, test->rules, test->session, sql, strlen(sql));
	const struct crossfade_reference *first = crossfade_explanation_item(e, 0), *second = crossfade_explanation_item(e, 1);
	check(test, crossfade_explanation_count(e) == 2 && !crossfade_explanation_item(e, 2), "two references");
	check(test, first && strcmp(first->rule, "move") == 0 && strcmp(first->became, "data.prices") == 0, "a move");
	check(test, second && second->offset == 22 && strcmp(second->rule, "column list") == 0, "a column list");
	crossfade_explanation_free(e);
}

static void check_notice(struct test *test)
{
	struct crossfade_result *result = run(test, "DO 'BEGIN DELETE FROM public.prices; END'");
	check(test, crossfade_result_notices(result) == 1 &&
		      strstr(crossfade_result_notice(result, 0).hint, "data.prices"), "a notice");
	check(test, !crossfade_result_notice(result, 1).message[0], "and no other");
	crossfade_result_free(result);
}

static void *run_all(void *failed)
{
	struct crossfade_policy policy = { .notice_opaque = true };
	struct crossfade_limits limits = { 0, 1 << 20 };
	struct crossfade_error error;
	struct crossfade_rules *rules = crossfade_rules_new(text(map), text(flags), text(NULL), policy, &error);
	if (!rules) {
		printf("%s: %s\n", error.file, error.message);
		return NULL;
	}
	struct test test = { rules, crossfade_rewriter_new(limits), crossfade_session_new("aegis", "app", "public"), 0 };
	check_columns(&test);
	check_refusal(&test);
	check_parameters(&test);
	check_answers(&test);
	check_session(&test);
	check_explanation(&test);
	check_notice(&test);
	crossfade_session_free(test.session);
	crossfade_rewriter_free(test.rewriter);
	crossfade_rules_unref(rules);
	*(int *)failed = test.failed;
	return NULL;
}

int main(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int failed = 1;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, CROSSFADE_STACK_BYTES);
	if (pthread_create(&thread, &attributes, run_all, &failed) != 0)
		return 1;
	pthread_join(thread, NULL);
	return failed + arena_alloc();
}
