/* Messages of a maildrop: is their size what LIST said, their end clear, TOP their beginning? */
#include "cli/doctor_pop3.h"

#include <inttypes.h>

enum { MAX_HEAD = 256 * 1024 };

/* What went by of one message. */
struct passage {
	uint64_t octets, lines, dots; /* dots: lines that begin with one */
	uint8_t last[2];
	bool at_start, has_bare;
	bool odd; /* the session was in doubt about the end */
	struct lm_buf head;
};

static void count_octet(struct passage *p, uint8_t c)
{
	p->dots += p->at_start && c == '.';
	p->has_bare |= c == '\n' && p->last[1] != '\r';
	p->at_start = c == '\n';
	p->lines += c == '\n';
	p->last[0] = p->last[1];
	p->last[1] = c;
}

static int take(void *ctx, const struct lm_event *event)
{
	struct passage *p = ctx;
	struct lm_bytes b = event->argument;

	if (event->type == LM_EVENT_OUTCOME)
		p->odd = event->outcome->odd_size;
	if (event->type != LM_EVENT_BODY)
		return 0;
	for (size_t i = 0; i < b.len; i++)
		count_octet(p, b.data[i]);
	p->octets += b.len;
	if (b.len > MAX_HEAD - lm_buf_len(&p->head))
		b.len = MAX_HEAD - lm_buf_len(&p->head);
	return lm_buf_add(&p->head, b);
}

static int fetch(struct lm_client *client, enum lm_request_type type,
                 const struct lm_pop3_item *item, struct passage *out, struct lm_error *why)
{
	struct lm_request request = LM_REQUEST_INIT(type);

	*out = (struct passage){ .at_start = true };
	lm_buf_init(&out->head, MAX_HEAD);
	request.number = item->number;
	request.expected = type == LM_REQUEST_RETR ? item->octets : 0;
	return lm_client_do(client, &request, take, out, why);
}

/* Why LIST may say something else than came. */
static const char *guess(const struct passage *p, uint64_t listed)
{
	if (listed + p->lines == p->octets)
		return "; it seems to count a line end as one octet";
	if (p->dots && listed == p->octets + p->dots)
		return "; it seems to count the dots that are added on the way";
	if (listed + 2 == p->octets)
		return "; the message seems to be kept without its last line end";
	if (listed > p->octets && listed - p->octets < p->lines)
		return "; lines that begin with a dot may be sent without another";
	return "";
}

static bool check_size(struct lm_doctor *d, const struct lm_pop3_item *item,
                       const struct passage *p)
{
	if (item->octets != p->octets) {
		lm_doctor_say(d, LM_WEAK, "size",
		              "message %" PRIu64 " has %" PRIu64 " octets, LIST says %" PRIu64 "%s",
		              item->number, p->octets, item->octets, guess(p, item->octets));
		return false;
	}
	if (p->odd)
		lm_doctor_say(d, LM_WRONG, "size",
		              "message %" PRIu64
		              ": its end was not clear; lines that begin with a dot "
		              "seem to be sent without another",
		              item->number);
	if (p->has_bare)
		lm_doctor_say(d, LM_WEAK, "size",
		              "message %" PRIu64 " holds lines that end with LF alone",
		              item->number);
	return !p->odd && !p->has_bare;
}

/* Octets of the header with the empty line behind it; all of it where there is none. */
static size_t header_len(struct lm_bytes b)
{
	for (size_t i = 0; i + 3 < b.len; i++)
		if (memcmp(b.data + i, "\r\n\r\n", 4) == 0)
			return i + 4;
	return b.len;
}

/* TOP n 0 is the header, an empty line, and nothing else. */
static bool check_top(struct lm_doctor *d, struct lm_client *client,
                      const struct lm_pop3_item *item, const struct passage *whole, bool announced)
{
	struct passage top;
	struct lm_error why = { 0 };
	struct lm_bytes head = lm_buf_bytes(&whole->head), got;
	bool good = false;

	head.len = header_len(head);
	if (fetch(client, LM_REQUEST_TOP, item, &top, &why) < 0) {
		lm_doctor_say(d, announced ? LM_WRONG : LM_REMARK, "top",
		              announced ? "TOP is announced, but fails: %s"
		                        : "TOP does not work: %s",
		              why.text);
		lm_buf_done(&top.head);
		return false;
	}
	got = lm_buf_bytes(&top.head);
	/* The empty line may be missing where there is no body. */
	if (got.len + 2 < head.len ||
	    !lm_bytes_equal(lm_bytes(got.data, got.len < head.len ? got.len : head.len),
	                    lm_bytes(head.data, got.len < head.len ? got.len : head.len)))
		lm_doctor_say(d, LM_WEAK, "top",
		              "TOP of message %" PRIu64 " is not what RETR begins with",
		              item->number);
	else if (got.len > head.len + 2)
		lm_doctor_say(d, LM_WEAK, "top",
		              "TOP of message %" PRIu64
		              " with 0 lines gives %zu octets of the body",
		              item->number, got.len - head.len);
	else
		good = true;
	lm_buf_done(&top.head);
	return good;
}

static bool examine(struct lm_doctor *d, struct lm_client *client, const struct lm_pop3_item *item,
                    bool announced, bool *io_top)
{
	struct passage p;
	struct lm_error why = { 0 };
	bool good;
	int err = fetch(client, LM_REQUEST_RETR, item, &p, &why);

	if (err < 0) {
		lm_doctor_say(d, LM_WRONG, "size", "message %" PRIu64 " cannot be fetched: %s",
		              item->number, why.text);
		good = false;
	} else {
		good = check_size(d, item, &p);
		if (*io_top)
			*io_top = check_top(d, client, item, &p, announced);
	}
	lm_buf_done(&p.head);
	return good;
}

void lm_doctor_messages(struct lm_doctor *doctor, struct lm_client *client, bool top_announced,
                        const struct lm_pop3_listing *sizes)
{
	size_t wanted = (size_t)lm_cli_value(doctor->call, "messages"), good = 0, i;
	bool top = true;

	for (i = 0; i < sizes->count && i < wanted; i++)
		good += examine(doctor, client, &sizes->items[i], top_announced, &top);
	if (good == i && i > 0)
		lm_doctor_say(doctor, LM_FINE, "size",
		              "LIST is right about the %zu messages looked at", i);
	if (top && i > 0)
		lm_doctor_say(doctor, top_announced ? LM_FINE : LM_REMARK, "top",
		              top_announced ? "TOP works" : "TOP works, but is not announced");
}
