/*
 * Runs the golden cases (README.md describes their format) and says, for each
 * that does not hold, what was expected and what came out.
 *
 *   run_cases FILE.case...
 */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINES_MAX = 20000 };

struct line {
	struct slice text;
	unsigned number;
};

/* ---- reading ---- */

static char *read_file(const char *path, size_t *len_out)
{
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		exit(2);
	}
	struct buf text;
	buf_init(&text);
	char chunk[8192];
	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), file)) > 0;)
		buf_append(&text, chunk, n);
	fclose(file);
	*len_out = text.len;
	buf_cstr(&text);
	return text.data;
}

static bool directive(struct slice line, const char *name, struct slice *rest_out)
{
	size_t len = strlen(name);
	if (line.len < len + 1 || line.data[0] != '%' || memcmp(line.data + 1, name, len) != 0)
		return false;
	if (line.len > len + 1 && line.data[len + 1] != ' ')
		return false;
	size_t at = line.len > len + 1 ? len + 2 : len + 1;
	*rest_out = slice_of(line.data + at, line.len - at);
	return true;
}

/* ---- the file ---- */

static void forget_ruleset(struct suite *suite)
{
	ruleset_unref(suite->ruleset);
	suite->ruleset = NULL;
}

/* The lines up to the next directive as one text, without the last newline. */
static struct slice body(struct suite *suite, const struct line *lines, size_t count, size_t *at)
{
	size_t first = *at;
	while (*at < count && !(lines[*at].text.len && lines[*at].text.data[0] == '%'))
		(*at)++;
	size_t last = *at;
	while (last > first && lines[last - 1].text.len == 0)
		last--;
	if (first == last)
		return slice_of("", 0);
	const char *start = lines[first].text.data, *end = lines[last - 1].text.data + lines[last - 1].text.len;
	return slice_of(arena_copy(&suite->setting.arena, start, (size_t)(end - start)), (size_t)(end - start));
}

static const char *keep(struct suite *suite, struct slice text)
{
	return arena_copy(&suite->setting.arena, text.data, text.len);
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static bool read_setting(struct suite *suite, const struct line *lines, size_t count, size_t *at, struct slice line)
{
	struct setting *s = &suite->setting;
	struct slice rest;
	(*at)++;
	if (directive(line, "map", &rest))
		s->map_text = body(suite, lines, count, at).data;
	else if (directive(line, "catalog", &rest))
		s->catalog_text = or_null(body(suite, lines, count, at).data);
	else if (directive(line, "stages", &rest))
		s->stages = or_null(keep(suite, rest));
	else if (directive(line, "policy", &rest))
		s->policy = or_null(keep(suite, rest));
	else if (directive(line, "path", &rest))
		s->path = keep(suite, rest), s->path_unknown = slice_is(rest, "unknown");
	else if (directive(line, "user", &rest))
		s->user = keep(suite, rest);
	else if (directive(line, "database", &rest))
		s->database = keep(suite, rest);
	else if (directive(line, "encoding", &rest))
		s->encoding = keep(suite, rest);
	else if (directive(line, "temp", &rest))
		s->temps = or_null(keep(suite, rest));
	else if (directive(line, "standard_conforming_strings", &rest))
		s->strings_off = slice_is(rest, "off");
	else
		return (*at)--, false;
	forget_ruleset(suite);
	return true;
}

static bool read_expectation(struct suite *suite, const struct line *lines, size_t count, size_t *at, struct slice line,
			     struct test_case *c)
{
	struct slice rest;
	(*at)++;
	if (directive(line, "out", &rest))
		c->expectation = EXPECT_OUT, c->out = body(suite, lines, count, at);
	else if (directive(line, "unchanged", &rest))
		c->expectation = EXPECT_UNCHANGED;
	else if (directive(line, "refused", &rest))
		c->expectation = EXPECT_REFUSED, c->refused = keep(suite, rest);
	else if (directive(line, "need search_path", &rest))
		c->expectation = EXPECT_NEED;
	else if (directive(line, "sent", &rest))
		c->sent = body(suite, lines, count, at).data;
	else if (directive(line, "uses", &rest))
		c->uses = keep(suite, rest);
	else if (directive(line, "columns", &rest))
		c->columns = keep(suite, rest);
	else if (directive(line, "effects", &rest))
		c->effects = keep(suite, rest);
	else if (directive(line, "normalised", &rest))
		c->normalised = keep(suite, rest);
	else if (directive(line, "explain", &rest))
		c->explain = keep(suite, rest);
	else if (directive(line, "positions", &rest))
		c->positions = keep(suite, rest);
	else if (directive(line, "notice", &rest))
		c->notice = keep(suite, rest);
	else if (directive(line, "extended", &rest))
		c->extended = true;
	else
		return (*at)--, false;
	return true;
}

static void read_case(struct suite *suite, const struct line *lines, size_t count, size_t *at, struct slice title)
{
	struct test_case c = { .title = keep(suite, title), .line = lines[*at].number };
	(*at)++;
	c.sql = body(suite, lines, count, at);
	while (*at < count && read_expectation(suite, lines, count, at, lines[*at].text, &c))
		while (*at < count && lines[*at].text.len == 0)
			(*at)++;
	suite_run_case(suite, &c);
}

static void run_lines(struct suite *suite, const struct line *lines, size_t count)
{
	for (size_t at = 0; at < count;) {
		struct slice line = lines[at].text, rest;
		if (line.len == 0 || line.data[0] == '#')
			at++;
		else if (directive(line, "case", &rest))
			read_case(suite, lines, count, &at, rest);
		else if (!read_setting(suite, lines, count, &at, line))
			suite_broken(suite, lines[at].number, "no such directive");
	}
}

static void run_file(struct suite *suite, const char *path)
{
	size_t len, count = 0;
	char *text = read_file(path, &len);
	struct line *lines = calloc(LINES_MAX, sizeof(*lines));
	for (size_t at = 0; at < len && count < LINES_MAX;) {
		char *end = memchr(text + at, '\n', len - at);
		size_t stop = end ? (size_t)(end - text) : len;
		lines[count].text = slice_of(text + at, stop - at);
		lines[count].number = (unsigned)count + 1;
		count++;
		at = stop + 1;
	}
	suite->file = path;
	memset(&suite->setting, 0, sizeof(suite->setting));
	arena_init(&suite->setting.arena);
	run_lines(suite, lines, count);
	forget_ruleset(suite);
	arena_deinit(&suite->setting.arena);
	free(lines);
	free(text);
}

int main(int argc, char **argv)
{
	struct rewriter_settings settings = rewriter_settings_default();
	struct suite suite = { .rewriter = rewriter_new(settings) };
	settings.cache_bytes = 0;
	suite.fresh = rewriter_new(settings);
	for (int i = 1; i < argc; i++)
		run_file(&suite, argv[i]);
	rewriter_free(suite.rewriter);
	rewriter_free(suite.fresh);
	printf("%u cases, %u failed; %zu texts with other literals, %zu of them not parsed\n", suite.run, suite.failed,
	       suite.tried, suite.learnt_from);
	return suite.failed || suite.run == 0 || suite.learnt_from * 10 < suite.tried;
}
