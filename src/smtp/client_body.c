/* The message on its way out: behind DATA dot-stuffed, with BDAT in chunks; line ends are checked.
 */
#include "smtp/client.h"

#include <stdio.h>

/* A CR or LF stands alone in `in`, which goes on where *after_cr left off. */
static bool has_bare(struct lm_bytes in, bool last, bool *after_cr)
{
	const uint8_t *p = in.data, *end = in.data + in.len;
	bool after = *after_cr;

	while (p < end) {
		const uint8_t *lf = memchr(p, '\n', (size_t)(end - p));
		const uint8_t *stop = lf ? lf : end;
		const uint8_t *cr = stop > p ? memchr(p, '\r', (size_t)(stop - p)) : NULL;

		if (after && stop != p)
			return true;
		if (cr && cr != stop - 1)
			return true;
		if (lf && !cr && !after)
			return true;
		after = !lf && cr;
		p = lf ? lf + 1 : end;
	}
	*after_cr = after;
	return last && after;
}

/* Over LMTP nobody knows how many replies the last chunk gets behind one that was refused. */
static size_t chunks_allowed(const struct lm_smtpc *s)
{
	return s->send->pipelined && s->params->protocol != LM_LMTP ? LM_SMTPC_CHUNKS : 1;
}

bool lm_smtpc_body_wants(const struct lm_smtpc *s)
{
	const struct lm_smtpc_send *t = s->send;

	return t->body && lm_buf_len(&s->output) < LM_SMTPC_BODY &&
	       !(t->chunked && t->chunks >= chunks_allowed(s));
}

static int add_chunk(struct lm_smtpc *s, struct lm_bytes piece, bool last)
{
	char command[48];
	int n = snprintf(command, sizeof(command), "BDAT %zu%s", piece.len, last ? " LAST" : "");
	int err = lm_buf_printf(&s->output, "%s\r\n", command);

	if (!err)
		err = lm_buf_add(&s->output, piece);
	s->send->chunks++;
	lm_smtpc_trace(s, 'C', lm_bytes(command, (size_t)n));
	return err;
}

static int add_data(struct lm_smtpc *s, struct lm_bytes piece, bool last)
{
	int err = lm_dot_encode(&s->send->dot, piece, &s->output);

	return err || !last ? err : lm_dot_encode_end(&s->send->dot, &s->output);
}

static void end_body(struct lm_smtpc *s)
{
	char words[64];
	int n = snprintf(words, sizeof(words), "<%llu octets>",
	                 (unsigned long long)s->send->octets);

	s->send->body = false;
	s->send->ended = true;
	lm_smtpc_trace(s, 'C', lm_bytes(words, (size_t)n));
}

int lm_smtpc_body(struct lm_smtpc *s, struct lm_bytes chunk, bool last, size_t *out_taken)
{
	struct lm_smtpc_send *t = s->send;
	struct lm_bytes piece = chunk;
	int err;

	if (!lm_smtpc_body_wants(s) || (!chunk.len && !last))
		return 0;
	if (piece.len > LM_SMTPC_BODY) {
		piece.len = LM_SMTPC_BODY;
		last = false;
	}
	if (!(t->chunked && t->envelope->binary) && has_bare(piece, last, &t->after_cr)) {
		lm_smtpc_fail(s, LM_E_SYNTAX, LM_SIDE_CLIENT,
		              "a CR or LF stands alone in the message");
		return 0;
	}
	err = t->chunked ? add_chunk(s, piece, last) : add_data(s, piece, last);
	if (err) {
		lm_smtpc_fail(s, LM_E_NOMEM, LM_SIDE_CLIENT, "out of memory");
		return err;
	}
	t->octets += piece.len;
	s->flowed = true;
	*out_taken = piece.len;
	if (last)
		end_body(s);
	return 0;
}
