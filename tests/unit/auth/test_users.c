#include "auth/secret_file.h"
#include "auth/users.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the password "secret", made by PostgreSQL. */
#define VERIFIER                                                                                   \
	"SCRAM-SHA-256$4096:5H6b+IdZcTMTvDLVwhqqRw==$G1QyYN/QWuRBzmKBTRTDKRPcLdNGkG0IUl+XSWjuvIU=:"    \
	"6ucvTvTGQdmbZ8EoYDmVX0NlgIFNeSixqVNaGpMvPGg="

static struct users *parse(const char *text, struct error *error_out)
{
	struct users *users = NULL;
	return users_parse(slice_str(text), "users.txt", &users, error_out) ? users : NULL;
}

Test(users, names_and_verifiers_are_found)
{
	struct error error;
	struct users *users = parse("; a comment\n# another\n\n  \"alice\"   \"" VERIFIER "\"  \r\n\"o\"\"dd ü\" \"" VERIFIER
				    "\"", &error);
	cr_assert(users, "%s", error.message);
	cr_assert_eq(users_count(users), 2);
	const struct scram_verifier *alice = users_find(users, slice_str("alice"));
	cr_assert(alice && alice->iterations == 4096 && alice->salt_len == 16);
	cr_assert(users_find(users, slice_str("o\"dd ü")));
	cr_assert_null(users_find(users, slice_str("Alice")));
	cr_assert_null(users_find(users, slice_str("")));
	users_unref(users);
}

Test(users, mistakes_are_named_with_line_and_column)
{
	static const struct {
		const char *text;
		uint32_t line, column;
		const char *what;
	} cases[] = {
		{ "alice \"" VERIFIER "\"", 1, 1, "double quotes" },
		{ "\n\"alice\"", 2, 8, "double quotes" },
		{ "\"alice", 1, 1, "closing" },
		{ "\"alice\" \"secret\"", 1, 8, "no SCRAM verifier" },
		{ "\"alice\" \"md5a0b1\"", 1, 8, "no SCRAM verifier" },
		{ "\"a\" \"" VERIFIER "\" x", 1, 147, "more behind" },
		{ "\"\" \"" VERIFIER "\"", 1, 146, "empty" },
		{ "\"a\" \"" VERIFIER "\"\n\"a\" \"" VERIFIER "\"", 2, 147, "twice" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error error;
		cr_assert_null(parse(cases[i].text, &error), "case %zu", i);
		cr_assert(strstr(error.message, cases[i].what), "case %zu: %s", i, error.message);
		cr_assert_eq(error.line, cases[i].line, "case %zu: line %u", i, error.line);
		cr_assert_str_eq(error.file, "users.txt");
		cr_assert_null(strstr(error.message, "secret\""));
	}
}

Test(users, an_unknown_name_gets_the_same_kind_of_answer_each_time)
{
	struct error error;
	struct users *users = parse("\"alice\" \"" VERIFIER "\"\n\"bob\" \"" VERIFIER "\"", &error);
	struct users *later = parse("\"alice\" \"" VERIFIER "\"", &error);
	struct scram_verifier first, second, other, known;
	bool doomed;
	users_verifier(users, slice_str("nobody"), &first, &doomed);
	cr_assert(doomed);
	users_verifier(later, slice_str("nobody"), &second, &doomed);
	users_verifier(users, slice_str("somebody"), &other, &doomed);
	users_verifier(users, slice_str("alice"), &known, &doomed);
	cr_assert_not(doomed);
	cr_assert_eq(first.iterations, known.iterations);
	cr_assert_eq(first.salt_len, known.salt_len);
	cr_assert_eq(memcmp(first.salt, second.salt, first.salt_len), 0, "also after the file has changed elsewhere");
	cr_assert_neq(memcmp(first.salt, other.salt, first.salt_len), 0);
	users_unref(users);
	users_unref(later);
}

Test(users, a_file_that_others_may_read_is_refused)
{
	char path[] = "/tmp/cf-users-XXXXXX";
	struct error error;
	struct users *users = NULL;
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_gt(write(fd, "\"a\" \"" VERIFIER "\"\n", sizeof(VERIFIER) + 6), 0);
	close(fd);
	cr_assert(users_load(path, &users, &error), "%s", error.message);
	users_unref(users);
	static const mode_t wrong[] = { 0604, 0620, 0660, 0602, 0666, 0777 };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		chmod(path, wrong[i]);
		cr_assert_not(users_load(path, &users, &error), "mode %o", wrong[i]);
		cr_assert(strstr(error.message, "others"));
		cr_assert(strstr(error.hint, "chmod"));
	}
	unlink(path);
	cr_assert_not(users_load(path, &users, &error));
	cr_assert_not(users_load("/dev/null", &users, &error));
	cr_assert(strstr(error.message, "regular"));
}
