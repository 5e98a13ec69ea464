/* A hole in the output: words that are still asked for (LM_EVENT_SAY), and nothing that stands
 * behind them is shown. */
#include "pop3/server.h"

static int copy(struct lm_buf *to, struct lm_bytes *slice)
{
	int err;

	lm_buf_init(to, slice->len);
	err = lm_buf_add(to, *slice);
	*slice = lm_buf_bytes(to);
	return err;
}

void lm_pop3_hole_drop(struct lm_pop3_server *s)
{
	struct lm_pop3_hole *hole = s->hole;

	if (!hole)
		return;
	/* What was not shown is not said. */
	s->out.len = s->out.head + hole->gap.line;
	s->decision.type = LM_EVENT_NONE;
	s->hole = NULL;
	lm_buf_done(&hole->words);
	lm_buf_done(&hole->user);
	lm_buf_done(&hole->text);
	lm_free(hole);
}

/* Open a gap of the text's length, and put it there. */
static int insert(struct lm_buf *out, size_t at, struct lm_bytes text)
{
	size_t behind = lm_buf_len(out) - at;
	uint8_t *room, *gap;
	int err = text.len ? lm_buf_room(out, text.len, &room) : 0;

	if (err || !text.len)
		return err;
	gap = room - behind;
	memmove(gap + text.len, gap, behind);
	memcpy(gap, text.data, text.len);
	lm_buf_grew(out, text.len);
	return 0;
}

static int fill_then(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	struct lm_pop3_hole *hole = s->hole;
	struct lm_bytes words = lm_buf_bytes(&hole->words);
	int err;

	if (reply->result == 0 && reply->text.len)
		words = reply->text;
	words.len = lm_pop3_cut(words, hole->gap.most);
	err = insert(&s->out, hole->gap.at, words);
	if (err)
		return err;
	hole->gap.line = lm_buf_len(&s->out);
	lm_pop3_hole_drop(s);
	return s->transfer == LM_POP3_LISTING ? lm_pop3_list_more(s) : 0;
}

int lm_pop3_hole_open(struct lm_pop3_server *s, const struct lm_say *about, struct lm_bytes words,
                      struct lm_pop3_gap gap)
{
	struct lm_pop3_hole *hole = lm_alloc_zero(1, sizeof(*hole));
	int err;

	LM_ASSERT(!s->hole);
	if (!hole)
		return LM_E_NOMEM;
	s->hole = hole;
	hole->gap = gap;
	hole->about = *about;
	err = copy(&hole->words, &words);
	if (!err)
		err = copy(&hole->user, &hole->about.user);
	if (!err)
		err = copy(&hole->text, &hole->about.text);
	return err ? err : lm_pop3_decide(s, LM_EVENT_SAY, fill_then);
}
