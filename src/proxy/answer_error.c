#include "proxy/answer_error.h"

#include "proxy/error_place.h"
#include "rewrite/answer_names.h"

static void explain_oversize(const struct conversation *conversation, struct error *error_out)
{
	error_set(error_out, SQLSTATE_LIMIT_EXCEEDED, "statement is too long for crossfade");
	error_detail(error_out, "It does not fit into limits.message_bytes, which is %zu bytes.",
		     conversation->env->message_bytes);
	error_hint(error_out, "Send large values as parameters or by COPY, or raise limits.message_bytes.");
}

static void explain_unknown(struct error *error_out)
{
	error_set(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED, "crossfade cannot know what this statement's tables are");
	error_detail(error_out, "The session's search_path could not be read from the server.");
	error_hint(error_out, "Write the tables with their schema, or repeat the statement.");
}

/* The server's own words. */
static void explain_cancelled(struct error *error_out)
{
	error_set(error_out, SQLSTATE_QUERY_CANCELED, "canceling statement due to user request");
	error_detail(error_out, "It was waiting in crossfade, and has not run.");
}

static void explain_not_kept(const struct conversation *conversation, struct error *error_out)
{
	error_set(error_out, "26000", "the prepared statement must be prepared again");
	error_detail(error_out, "What its tables' names mean has changed, and its text did not fit into "
		     "limits.prepared_bytes, which is %zu bytes.", conversation->env->prepared_bytes);
	error_hint(error_out, "Prepare it again, deallocate statements that are not used any more, or raise "
		   "limits.prepared_bytes.");
}

static void explain_other_tables(struct error *error_out)
{
	error_set(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED, "the prepared statement would use other tables at this point of the text");
	error_detail(error_out, "A statement before it, in the same text, changes what its names mean, and it is prepared "
		     "anew between texts only.");
	error_hint(error_out, "Send the statements one by one.");
}

/* The server's own words for its own case of this, which drivers know. */
static void explain_other_columns(struct error *error_out)
{
	error_set(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED, "cached plan must not change result type");
	error_detail(error_out, "The tables that the prepared statement's names mean now have other columns.");
	error_hint(error_out, "Prepare the statement again.");
}

/* Of the statement that was sent to fail. (A cancelled exchange has ended the transaction before it.) */
static bool is_stand_ins(const struct request *head, const struct error_fields *fields)
{
	static const char mark[] = REWRITE_REFUSAL_MARK;
	if (head->flags & REQUEST_CANCELLED && slice_is(fields->sqlstate, SQLSTATE_IN_FAILED_TRANSACTION))
		return true;
	return slice_is(fields->sqlstate, REWRITE_REFUSAL_SQLSTATE) && fields->message.len &&
	       memmem(fields->message.data, fields->message.len, mark, sizeof(mark) - 1);
}

bool answer_error_refusal(struct conversation *conversation, const struct request *head,
			  const struct error_fields *fields, struct error *error_out)
{
	if (!is_stand_ins(head, fields))
		return false;
	if (head->flags & REQUEST_TOO_LARGE)
		explain_oversize(conversation, error_out);
	else if (head->flags & REQUEST_CANCELLED)
		explain_cancelled(error_out);
	else if (head->flags & REQUEST_UNKNOWN_PATH)
		explain_unknown(error_out);
	else if (head->flags & REQUEST_NOT_KEPT)
		explain_not_kept(conversation, error_out);
	else if (head->flags & REQUEST_OTHER_TABLES)
		explain_other_tables(error_out);
	else if (head->flags & REQUEST_OTHER_COLUMNS)
		explain_other_columns(error_out);
	else if (head->rewrite && head->rewrite->outcome == REWRITE_REFUSED)
		*error_out = *head->rewrite->refusal;
	else
		return false;
	return true;
}

static bool describe_answer(struct conversation *conversation, const struct request *head,
			    const struct error_fields *fields, struct answer *answer_out)
{
	struct session_state *state = conversation->vars.confirmed;
	struct answer answer = { .ruleset = conversation->ruleset,
				 .shape = conversation_shape(conversation, head),
				 .has_position = fields->position,
				 .encoding = state ? session_state_encoding(state) : ENCODING_SINGLE_BYTE };
	struct error_place place = error_place_of(conversation, head, fields);
	bool moved = place.rewrite && place.rewrite->splice_count;
	if (!moved && !answer.shape && place.position == fields->position)
		return false;
	if (moved)
		answer.at_replaced = rewrite_replaced_at(place.rewrite, place.position, &answer.replaced_len);
	*answer_out = answer;
	return true;
}

static void translate_names(const struct answer *answer, const struct error_fields *fields, struct buf *text,
			    struct error_changes *changes)
{
	struct answer_fields said = { fields->sqlstate, fields->message, fields->schema,
				      fields->table,	fields->column,	 fields->constraint };
	struct answer_changes changed = { 0 };
	answer_names_translate(answer, &said, text, &changed);
	changes->message = changed.message;
	changes->schema = changed.schema;
	changes->table = changed.table;
	changes->column = changed.column;
}

#define VANISHED_HINT                                                                                \
	"The table may have been moved a moment ago. crossfade reads the catalog again: repeat the statement, " \
	"or its transaction."

/* Bodies of code are not rewritten: what they name would not be found by repeating the statement. */
static bool names_by_itself(const struct answer *answer, const struct error_fields *fields)
{
	const struct statement_shape *shape = answer->shape;
	bool found = false;
	for (size_t i = 0; shape && i < shape->use_count; i++)
		found |= shape->uses[i].kind != USE_OPAQUE && shape->uses[i].kind != USE_INTROSPECTION;
	return found && !fields->inner_query.len;
}

/* A name of ours in the text, or of the map in the message, that the server does not know any more. */
static bool has_vanished(const struct answer *answer, const struct error_fields *fields)
{
	if ((!slice_is(fields->sqlstate, SQLSTATE_UNDEFINED_TABLE) &&
	     !slice_is(fields->sqlstate, SQLSTATE_UNDEFINED_SCHEMA)) ||
	    !answer->ruleset || !fields->message.len || !retry_is_missing_relation(fields))
		return false;
	if (answer->at_replaced || !names_by_itself(answer, fields))
		return answer->at_replaced;
	const char *open = memchr(fields->message.data, '"', fields->message.len);
	const char *end = fields->message.data + fields->message.len;
	const char *close = open ? memchr(open + 1, '"', (size_t)(end - open - 1)) : NULL;
	if (!close)
		return false;
	const char *dot = memchr(open, '.', (size_t)(close - open));
	const char *name = dot ? dot + 1 : open + 1;
	return ruleset_mentions(answer->ruleset, name, (size_t)(close - name));
}

enum verdict answer_error_pass(struct conversation *conversation, const struct request *head,
			       const struct message *message, const struct error_fields *fields, struct round *round)
{
	struct error_changes changes = { 0 };
	struct answer answer;
	struct buf text = { 0 };
	if (!head || !describe_answer(conversation, head, fields, &answer))
		return VERDICT_PASS;
	changes.position = error_place_original(error_place_of(conversation, head, fields));
	changes.moved = changes.position != fields->position;
	translate_names(&answer, fields, &text, &changes);
	if (message->type == SERVER_ERROR && has_vanished(&answer, fields))
		changes.hint = slice_str(VANISHED_HINT);
	bool changed = changes.moved || changes.message.data || changes.table.data || changes.hint.data;
	if (changed)
		error_fields_append_changed(output_own(&round->to_client), message->type, message_body(message),
					    &changes);
	buf_deinit(&text);
	return changed ? VERDICT_DONE : VERDICT_PASS;
}
