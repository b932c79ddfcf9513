/* Of each reference of a text: what it means, what it became, and by which rule. */
#ifndef CROSSFADE_REWRITE_EXPLAIN_H
#define CROSSFADE_REWRITE_EXPLAIN_H

#include "rewrite/analysis.h"
#include "rewrite/rewriter.h"

/* After a run with `explaining`, whose splices are sorted. refused_from: where a refused statement begins. */
void explain_collect(const struct analysis *a, size_t refused_from, struct arena *arena,
		     struct rewrite_explanation *explanation_out);

#endif
