/* Trace headers. Everything a peer may choose passes through one of three filters. */
#include "smtp/trace.h"

#include "mime/date.h"

/* By hand, as all of a trace header: it is written for every message, and printf costs more than
 * the rest of it together. */
const char *lm_smtp_with(const struct lm_session_info *info, bool smtputf8, char out[16])
{
	const char *name = info->protocol == LM_LMTP ? (smtputf8 ? "UTF8LMTP" : "LMTP")
	                   : smtputf8                ? "UTF8SMTP"
	                   : info->esmtp             ? "ESMTP"
	                                             : "SMTP";
	bool plain = !info->esmtp && info->protocol != LM_LMTP; /* RFC 3848 knows no SMTPS */
	size_t len = strlen(name);

	memcpy(out, name, len);
	if (info->tls.active && !plain)
		out[len++] = 'S';
	if (info->user.len && !plain)
		out[len++] = 'A';
	out[len] = '\0';
	return out;
}

/* A domain or an address literal. */
static bool fits_name(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
}

/* An address inside angle brackets: its syntax was checked when it came. */
static bool fits_address(uint8_t c)
{
	return c >= 0x20 && c != 0x7F;
}

static int add_filtered(struct lm_buf *out, struct lm_bytes text, bool (*fits)(uint8_t))
{
	uint8_t *room;
	int err = lm_buf_room(out, text.len, &room);

	if (err)
		return err;
	for (size_t i = 0; i < text.len; i++)
		room[i] = fits(text.data[i]) ? text.data[i] : '?';
	lm_buf_grew(out, text.len);
	return 0;
}

static int add_name(struct lm_buf *out, const char *before, struct lm_bytes name)
{
	int err = lm_buf_add_str(out, before);

	if (err)
		return err;
	return name.len ? add_filtered(out, name, fits_name) : lm_buf_add_str(out, "unknown");
}

static int add_path(struct lm_buf *out, const char *before, struct lm_bytes address,
                    const char *after)
{
	int err = lm_buf_add_str(out, before);

	if (!err)
		err = add_filtered(out, address, fits_address);
	return err ? err : lm_buf_add_str(out, after);
}

/* TCP-info of RFC 5321 4.4; a peer that has no address is named by its kind. */
static int add_peer(struct lm_buf *out, const char *address)
{
	struct lm_bytes a = lm_str(address);
	bool six = a.len && memchr(a.data, ':', a.len);
	bool four = a.len && a.data[0] >= '0' && a.data[0] <= '9';
	int err;

	if (!six && !four)
		return lm_buf_add_str(out, " (local)");
	err = add_name(out, six ? " ([IPv6:" : " ([", a);
	return err ? err : lm_buf_add_str(out, "])");
}

static int add_tls(struct lm_buf *out, const struct lm_tls_info *tls)
{
	int err;

	if (!tls->active)
		return 0;
	err = add_name(out, "\r\n\t(", lm_str(tls->version));
	if (!err)
		err = add_name(out, " ", lm_str(tls->cipher));
	return err ? err : lm_buf_printf(out, " %d bits)", tls->bits);
}

static int add_id(struct lm_buf *out, uint64_t id)
{
	char digits[16];
	size_t at = sizeof(digits);
	int err = lm_buf_add_str(out, " id ");

	do {
		digits[--at] = "0123456789abcdef"[id & 15];
		id >>= 4;
	} while (id);
	return err ? err : lm_buf_add(out, lm_bytes(digits + at, sizeof(digits) - at));
}

static int add_received(struct lm_buf *out, const struct lm_session_info *info,
                        const struct lm_envelope *envelope, const char *hostname, uint64_t id)
{
	char with[16];
	int err = add_name(out, "Received: from ", info->helo);

	if (!err)
		err = add_peer(out, info->peer_address);
	if (!err)
		err = add_name(out, "\r\n\tby ", lm_str(hostname));
	if (!err)
		err = lm_buf_add_str(out, " with ");
	if (!err)
		err = lm_buf_add_str(out, lm_smtp_with(info, envelope->smtputf8, with));
	if (!err)
		err = add_id(out, id);
	if (!err)
		err = add_tls(out, &info->tls);
	if (!err && envelope->recipient_count == 1)
		err = add_path(out, "\r\n\tfor <", envelope->recipients[0].address, ">");
	return err;
}

int lm_smtp_trace(struct lm_buf *out, const struct lm_session_info *info,
                  const struct lm_envelope *envelope, const char *hostname, uint64_t id,
                  int64_t unix_time)
{
	char date[LM_DATE_ROOM];
	int err = add_path(out, "Return-Path: <", envelope->sender, ">\r\n");

	if (!err)
		err = add_received(out, info, envelope, hostname, id);
	if (!err)
		err = lm_buf_add_str(out, ";\r\n\t");
	if (!err)
		err = lm_buf_add(out, lm_bytes(date, lm_date_format(unix_time, date)));
	return err ? err : lm_buf_add_str(out, "\r\n");
}
