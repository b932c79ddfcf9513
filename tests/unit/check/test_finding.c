#include "check/finding.h"

#include <criterion/criterion.h>

Test(finding, the_worst_comes_first)
{
	struct findings findings;
	findings_init(&findings);
	findings_add(&findings, FINDING_NOTE, "a.a", "view", "v", "note %d", 1);
	for (int i = 0; i < 100; i++)
		findings_add(&findings, FINDING_WARNING, "b.b", "function", "f", "warning %02d", i);
	struct finding *error = findings_add(&findings, FINDING_ERROR, NULL, "unmapped", "c.c", "error");
	finding_hint(&findings, error, "do %s", "this");
	findings_sort(&findings);
	cr_assert_eq(findings.count, 102);
	cr_expect_str_eq(findings.items[0].text, "error");
	cr_expect_str_eq(findings.items[0].hint, "do this");
	cr_expect_str_eq(findings.items[1].text, "warning 00");
	cr_expect_str_eq(findings.items[101].text, "note 1");
	cr_expect_eq(findings_count(&findings, FINDING_WARNING), 100);
	findings_deinit(&findings);
}
