#include "proxy/long_text.h"

#include "proxy/conversation.h"

static void forget(struct parsed_text *parsed)
{
	rewrite_unref(parsed->rewrite);
	prepared_unref(parsed->of);
	*parsed = (struct parsed_text){ 0 };
}

void long_text_deinit(struct long_text *long_text)
{
	if (long_text->job)
		parse_job_abandon(long_text->job);
	forget(&long_text->own);
	forget(&long_text->prepared);
	long_text->job = NULL;
}

void long_text_arrived(struct long_text *long_text, struct rewrite *rewrite)
{
	long_text->job = NULL;
	long_text->awaited->rewrite = rewrite;
}

void long_text_keep(struct conversation *conversation, struct prepared *prepared, struct rewrite *rewrite,
		    uint64_t stamp, uint64_t view)
{
	struct parsed_text *parsed = &conversation->long_text.prepared;
	if (!long_text_is_long(conversation, prepared_text(prepared))) {
		rewrite_unref(rewrite);
		return;
	}
	forget(parsed);
	*parsed = (struct parsed_text){ rewrite, prepared_ref(prepared), stamp, view };
}

bool long_text_is_long(const struct conversation *conversation, struct slice sql)
{
	return conversation->env->parse && sql.len > conversation->env->inline_bytes;
}

/* The result that came back, if it is still good. */
static struct rewrite *take(struct conversation *conversation, struct parsed_text *parsed,
			    const struct prepared *prepared, const struct session_state *state)
{
	struct rewrite *rewrite = NULL;
	if (parsed->rewrite && parsed->of == prepared && parsed->stamp == session_state_stamp(state) && parsed->view == conversation->view)
		rewrite = rewrite_ref(parsed->rewrite);
	forget(parsed);
	return rewrite;
}

/* False: nobody takes it. */
static bool give_away(struct conversation *conversation, struct parsed_text *parsed, struct prepared *prepared,
		      const struct parse_request *request)
{
	const struct conversation_env *env = conversation->env;
	struct long_text *long_text = &conversation->long_text;
	*parsed = (struct parsed_text){ .of = prepared_ref(prepared), .stamp = session_state_stamp(request->state),
					.view = conversation->view };
	long_text->awaited = parsed;
	long_text->job = env->parse(env->context, conversation, request);
	return long_text->job != NULL;
}

static struct rewrite *rewrite_long(struct conversation *conversation, const struct parse_request *request,
				    struct prepared *prepared)
{
	struct long_text *long_text = &conversation->long_text;
	struct parsed_text *parsed = prepared ? &long_text->prepared : &long_text->own;
	struct rewriter *rewriter = conversation->env->rewriter;
	struct rewrite *rewrite = take(conversation, parsed, prepared, request->state);
	if (!rewrite)
		rewrite = rewriter_known(rewriter, request->sql, request->state, request->ruleset);
	if (rewrite || give_away(conversation, parsed, prepared, request))
		return rewrite;
	return rewriter_run(rewriter, request->sql, request->protocol, request->state, request->ruleset);
}

struct rewrite *long_text_rewrite(struct conversation *conversation, struct slice sql, enum rewrite_protocol protocol,
				  struct prepared *prepared)
{
	const struct session_state *state = session_vars_now(&conversation->vars, &conversation->pipeline);
	struct parse_request request = { sql, protocol, state, conversation->ruleset };
	if (long_text_is_long(conversation, sql))
		return rewrite_long(conversation, &request, prepared);
	return rewriter_run(conversation->env->rewriter, sql, protocol, state, conversation->ruleset);
}
