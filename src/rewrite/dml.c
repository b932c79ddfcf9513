#include "rewrite/dml.h"

#include "rewrite/clauses.h"

void dml_splice(struct analysis *a)
{
	for (const struct dml *dml = a->dmls; dml && !a->refused; dml = dml->next) {
		struct sinks sinks;
		if (!dml->target->shape || dml->node->node_case == PG_QUERY__NODE__NODE_DELETE_STMT ||
		    !sinks_init(a, dml->target->name, clause_offset(a, dml->target->first), &sinks))
			continue;
		if (dml->target->altered)
			continue;
		if (dml->node->node_case == PG_QUERY__NODE__NODE_INSERT_STMT)
			insert_splice(a, &sinks, dml);
		else if (dml->node->node_case == PG_QUERY__NODE__NODE_MERGE_STMT)
			merge_splice(a, &sinks, dml);
		else
			assign_splice(a, &sinks, dml->target, dml->node->update_stmt->target_list,
				      dml->node->update_stmt->n_target_list);
	}
}
