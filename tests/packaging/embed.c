/* What a program that embeds the rewriter looks like: built against what is installed, nothing else. */
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

static const char map[] = "tables:\n  public.prices: data.prices\n";
static const char flags[] = "flags:\n  public.prices: live\n";

static struct crossfade_source text(const char *yaml)
{
	struct crossfade_source source = { yaml, yaml ? strlen(yaml) : 0, NULL };
	return source;
}

static int rewrite(struct crossfade_rules *rules, const char *sql, const char *want)
{
	struct crossfade_limits limits = { 0, 1 << 20 };
	struct crossfade_rewriter *rewriter = crossfade_rewriter_new(limits);
	struct crossfade_session *session = crossfade_session_new("aegis", "app", "public");
	struct crossfade_result *result = crossfade_rewrite(rewriter, rules, session, sql, strlen(sql));
	size_t len;
	const char *got = crossfade_result_sql(result, &len);
	int failed = got ? !want || len != strlen(want) || memcmp(got, want, len) != 0 : want != NULL;
	printf("%s\n-> %.*s\n", sql, got ? (int)len : 1, got ? got : "=");
	crossfade_result_free(result);
	crossfade_session_free(session);
	crossfade_rewriter_free(rewriter);
	return failed;
}

static void *run(void *failed)
{
	struct crossfade_policy policy = { 0 };
	struct crossfade_error error;
	struct crossfade_rules *rules = crossfade_rules_new(text(map), text(flags), text(NULL), policy, &error);
	if (!rules) {
		printf("%s: %s\n", error.file, error.message);
		return NULL;
	}
	*(int *)failed = rewrite(rules, "SELECT close FROM public.prices -- why", "SELECT close FROM data.prices -- why") ||
			 rewrite(rules, "SELECT close FROM public.stocks", NULL);
	crossfade_rules_unref(rules);
	return NULL;
}

int main(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int failed = 1;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, CROSSFADE_STACK_BYTES);
	if (pthread_create(&thread, &attributes, run, &failed) != 0)
		return 1;
	pthread_join(thread, NULL);
	return failed + arena_alloc();
}
