/* TLS as a transport over another: OpenSSL between two BIO methods of ours, without buffers while
 * it waits. */
#include "base/buf.h"
#include "base/error.h"
#include "net/tls_impl.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

enum {
	CHUNK_MAX = 64 * 1024,    /* plain octets a write, in four records */
	PENDING_MAX = 256 * 1024, /* more than a write and the answers to key updates can make */
};

struct tls {
	struct lm_transport base;
	struct lm_transport *below;
	struct lm_loop *loop;
	struct lm_tls_context *context;
	SSL *ssl;
	struct lm_buf pending; /* ciphertext the transport below did not take */
	struct lm_task task;
	struct lm_tls_info *info;
	struct lm_error *reason;
	struct lm_tls_doubt *doubt; /* client */
	struct lm_tls_ask *ask;     /* server, until the handshake is done; NULL: nobody is asked */
	char *server_name;          /* client */
	size_t batch; /* ciphertext in the loop's write scratch, within one call only */
	int error;    /* why nothing goes any more */
	int below_error;
	uint8_t want;
	bool is_server : 1, is_done : 1;
	bool is_drained : 1; /* below had no more than it gave in this call */
	bool is_ended : 1;   /* below said LM_E_CLOSED */
	bool is_shut : 1;    /* close_notify is made */
	bool is_shut_below : 1;
	bool is_posted : 1, is_freed : 1;
	bool owes_ticket : 1;
};

static struct tls *self(struct lm_transport *t)
{
	return lm_container(t, struct tls, base);
}

/* Hands `octets` down as far as they go; returns how many went. */
static size_t write_below(struct tls *t, struct lm_bytes octets)
{
	size_t all = octets.len;

	while (octets.len && !t->below_error) {
		size_t n = 0;
		int err = t->below->ops->write(t->below, octets, &n);

		if (err == LM_E_AGAIN)
			break;
		/* Without a close_notify no end is orderly. */
		if (err)
			t->below_error = err == LM_E_CLOSED ? LM_E_IO : err;
		octets = lm_bytes_from(octets, n);
	}
	return all - octets.len;
}

static void flush_batch(struct tls *t)
{
	struct lm_bytes octets = lm_bytes(lm_loop_scratch(t->loop, LM_SCRATCH_WRITE), t->batch);
	int err;

	t->batch = 0;
	if (!lm_buf_len(&t->pending))
		octets = lm_bytes_from(octets, write_below(t, octets));
	if (t->below_error)
		return;
	err = lm_buf_add(&t->pending, octets);
	if (err)
		t->below_error = err;
}

static void flush_pending(struct tls *t)
{
	lm_buf_drop(&t->pending, write_below(t, lm_buf_bytes(&t->pending)));
	if (lm_buf_len(&t->pending))
		return;
	lm_buf_done(&t->pending);
	if (t->is_shut && !t->is_shut_below) {
		t->is_shut_below = true;
		t->below->ops->shutdown(t->below);
	}
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *out_len)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (t->batch + len > LM_SCRATCH_WRITE_SIZE)
		flush_batch(t);
	if (t->below_error || len > LM_SCRATCH_WRITE_SIZE)
		return 0;
	memcpy(lm_loop_scratch(t->loop, LM_SCRATCH_WRITE) + t->batch, data, len);
	t->batch += len;
	*out_len = len;
	return 1;
}

static int bio_read(BIO *bio, char *data, size_t cap, size_t *out_len)
{
	struct tls *t = BIO_get_data(bio);
	int err = LM_E_AGAIN;

	BIO_clear_retry_flags(bio);
	if (!t->is_drained)
		err = t->below->ops->read(t->below, (uint8_t *)data, cap, out_len);
	if (!err) {
		/* A short read need not be tried again: below tells when there is more. */
		t->is_drained = *out_len < cap;
		return 1;
	}
	t->is_drained = true;
	if (err == LM_E_AGAIN)
		BIO_set_retry_read(bio);
	else if (err == LM_E_CLOSED)
		t->is_ended = true;
	else
		t->below_error = err;
	return 0;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	const struct tls *t = BIO_get_data(bio);

	(void)num, (void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return t->is_ended;
	return cmd == BIO_CTRL_FLUSH;
}

BIO_METHOD *lm_tls_bio_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "lettermill");

	if (!method)
		return NULL;
	BIO_meth_set_write_ex(method, bio_write);
	BIO_meth_set_read_ex(method, bio_read);
	BIO_meth_set_ctrl(method, bio_ctrl);
	return method;
}

static int fail(struct tls *t, int err, const char *text)
{
	t->error = err;
	t->reason = lm_alloc(sizeof(*t->reason));
	return t->reason ? lm_fail(t->reason, err, "TLS: %s", text) : err;
}

struct lm_tls_doubt *lm_tls_doubt(SSL *ssl)
{
	struct tls *t = SSL_get_app_data(ssl);

	if (!t->doubt)
		t->doubt = lm_alloc_zero(1, sizeof(*t->doubt));
	return t->doubt;
}

struct lm_tls_ask *lm_tls_ask(SSL *ssl)
{
	return ((struct tls *)SSL_get_app_data(ssl))->ask;
}

static bool is_asking(const struct tls *t)
{
	return t->ask && t->ask->state == LM_TLS_ASK_OPEN;
}

static const char *ssl_reason(const struct tls *t)
{
	long verify = SSL_get_verify_result(t->ssl);
	int reason = ERR_GET_REASON(ERR_peek_error());

	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
		return t->doubt ? t->doubt->text : X509_verify_cert_error_string(verify);
	if (t->ask && t->ask->alert)
		return t->ask->alert == SSL_AD_UNRECOGNIZED_NAME
		               ? "the name asked for is not served here"
		               : "there is no certificate for the name asked for";
	if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return "the peer closed the connection without a close_notify";
	return lm_tls_reason();
}

/* What an SSL call that did not succeed means. */
static int outcome(struct tls *t, int result)
{
	int why = SSL_get_error(t->ssl, result);

	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ||
	    why == SSL_ERROR_WANT_CLIENT_HELLO_CB)
		return LM_E_AGAIN;
	if (why == SSL_ERROR_ZERO_RETURN)
		return LM_E_CLOSED;
	if (t->below_error)
		return fail(t, t->below_error, "the connection was lost");
	if (why == SSL_ERROR_SYSCALL)
		return fail(t, LM_E_IO, "the connection was lost");
	return fail(t, LM_E_TLS, ssl_reason(t));
}

static void set_below(struct tls *t)
{
	unsigned io = 0;

	if (((t->want & LM_IO_READ) || (!t->is_done && !t->error)) && !is_asking(t))
		io |= LM_IO_READ;
	if (lm_buf_len(&t->pending) || (t->is_done && (t->want & LM_IO_WRITE)))
		io |= LM_IO_WRITE;
	t->below->ops->want(t->below, io);
}

/* After every call into OpenSSL: its octets go down in one write. `err` is what the call meant; a
 * transport below that failed meanwhile means more. */
static int settle(struct tls *t, int err)
{
	if (t->batch)
		flush_batch(t);
	set_below(t);
	if (t->below_error && !t->error)
		return fail(t, t->below_error, "the connection was lost");
	return err;
}

static int handshake(struct tls *t)
{
	int result;

	if (t->error)
		return t->error;
	if (t->is_done)
		return 0;
	if (is_asking(t))
		return LM_E_AGAIN;
	ERR_clear_error();
	result = SSL_do_handshake(t->ssl);
	if (result != 1) {
		result = settle(t, outcome(t, result));
		if (result == LM_E_CLOSED)
			return fail(t, LM_E_TLS, "the peer closed the connection");
		return result;
	}
	t->info = lm_tls_info_new(t->ssl, t->is_server, t->server_name);
	if (!t->info)
		return fail(t, LM_E_NOMEM, "out of memory");
	t->is_done = true;
	lm_tls_ask_free(t->ask);
	t->ask = NULL;
	t->owes_ticket = t->is_server && SSL_version(t->ssl) >= TLS1_3_VERSION;
	return settle(t, 0);
}

static void post(struct tls *t)
{
	if (t->is_posted)
		return;
	t->is_posted = true;
	lm_loop_post(t->loop, &t->task);
}

static int tls_read(struct lm_transport *transport, uint8_t *buf, size_t cap, size_t *out_len)
{
	struct tls *t = self(transport);
	size_t total = 0;
	int err;

	t->is_drained = false;
	err = handshake(t);
	if (err)
		return err;
	while (total < cap) {
		size_t n = 0;
		int result;

		ERR_clear_error();
		result = SSL_read_ex(t->ssl, buf + total, cap - total, &n);
		if (result != 1) {
			err = outcome(t, result);
			break;
		}
		total += n;
	}
	err = settle(t, err);
	if (!total)
		return err;
	/* Nobody below will tell of what OpenSSL holds already: more octets, or the end. */
	if (total == cap ? SSL_has_pending(t->ssl) : err != LM_E_AGAIN)
		post(t);
	*out_len = total;
	return 0;
}

static int tls_write(struct lm_transport *transport, struct lm_bytes octets, size_t *out_len)
{
	struct tls *t = self(transport);
	size_t len = octets.len < CHUNK_MAX ? octets.len : CHUNK_MAX, total = 0;
	int err;

	t->is_drained = false;
	err = handshake(t);
	if (err)
		return err;
	if (lm_buf_len(&t->pending))
		flush_pending(t);
	if (len && t->owes_ticket) {
		/* It leaves with the greeting, instead of in a write of its own. */
		t->owes_ticket = false;
		(void)SSL_new_session_ticket(t->ssl);
	}
	while (total < len && !lm_buf_len(&t->pending) && !t->below_error) {
		size_t n = 0;
		int result;

		ERR_clear_error();
		result = SSL_write_ex(t->ssl, octets.data + total, len - total, &n);
		if (result != 1) {
			err = outcome(t, result);
			break;
		}
		total += n;
	}
	err = settle(t, err);
	if (t->error)
		return t->error;
	if (!total && (err || octets.len || lm_buf_len(&t->pending)))
		return err ? err : LM_E_AGAIN;
	*out_len = total;
	return 0;
}

static void tls_want(struct lm_transport *transport, unsigned io)
{
	struct tls *t = self(transport);
	unsigned added = io & ~(unsigned)t->want;

	t->want = (uint8_t)io;
	if ((added & LM_IO_READ) && t->is_done && SSL_has_pending(t->ssl))
		post(t);
	set_below(t);
}

static void tls_shutdown(struct lm_transport *transport)
{
	struct tls *t = self(transport);

	if (t->is_shut)
		return;
	t->is_shut = true;
	if (t->is_done && !t->error) {
		ERR_clear_error();
		(void)SSL_shutdown(t->ssl);
		(void)settle(t, 0);
	}
	flush_pending(t);
}

static const struct lm_tls_info *tls_info(const struct lm_transport *transport)
{
	return lm_container(transport, const struct tls, base)->info;
}

static void release(struct tls *t)
{
	SSL_free(t->ssl);
	lm_tls_ask_free(t->ask);
	lm_tls_context_unref(t->context);
	lm_buf_done(&t->pending);
	lm_free(t->doubt);
	lm_free(t->info);
	lm_free(t->reason);
	lm_free(t->server_name);
	t->ssl = NULL;
	t->is_freed = true;
	if (!t->is_posted)
		lm_free(t);
}

static void tls_free(struct lm_transport *transport, bool abort)
{
	struct tls *t = self(transport);

	if (!abort && !t->is_shut && t->is_done && !t->error) {
		ERR_clear_error();
		(void)SSL_shutdown(t->ssl);
		if (t->batch)
			flush_batch(t);
	}
	t->below->ops->free(t->below, abort);
	release(t);
}

static const struct lm_transport_ops tls_ops = {
	"tls", tls_read, tls_write, tls_want, tls_shutdown, tls_info, tls_free,
};

static void on_task(struct lm_task *task)
{
	struct tls *t = lm_container(task, struct tls, task);

	t->is_posted = false;
	if (t->is_freed)
		lm_free(t);
	else if (t->want & LM_IO_READ)
		t->base.changed(t->base.ctx, LM_IO_READ);
}

static void on_below(void *ctx, unsigned io)
{
	struct tls *t = ctx;
	unsigned told = 0;

	if (lm_buf_len(&t->pending))
		flush_pending(t);
	if (!t->is_done) {
		bool was_asking = is_asking(t);

		t->is_drained = false;
		if (handshake(t) == LM_E_AGAIN && is_asking(t) == was_asking)
			return;
		told = LM_IO_READ | LM_IO_WRITE;
	} else {
		told = io & t->want;
		if (lm_buf_len(&t->pending) && !t->below_error)
			told &= ~(unsigned)LM_IO_WRITE;
		set_below(t);
	}
	/* The owner may free us in this call. */
	if (told)
		t->base.changed(t->base.ctx, told);
}

int lm_tls_on_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = SSL_get_app_data(ssl);

	lm_tls_keep_session(t->context, t->server_name, session);
	return 1;
}

static bool is_address(const char *name)
{
	struct in6_addr room;

	return inet_pton(AF_INET, name, &room) == 1 || inet_pton(AF_INET6, name, &room) == 1;
}

/* RFC 6066 3: addresses are no host names. */
static bool set_name(struct tls *t, const char *name)
{
	/* What nobody judged then has to be looked at again. */
	SSL_SESSION *session = t->context->verify_peer ? lm_tls_take_session(t->context, name)
	                                               : NULL;

	if (session) {
		(void)SSL_set_session(t->ssl, session);
		SSL_SESSION_free(session);
	}
	if (is_address(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), name) == 1;
	SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(t->ssl, name) == 1 && SSL_set1_host(t->ssl, name) == 1;
}

static bool set_up(struct tls *t, const char *server_name)
{
	BIO *bio;

	t->ssl = SSL_new(t->context->ctx);
	bio = t->ssl ? BIO_new(t->context->bio) : NULL;
	if (!bio)
		return false;
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	if (t->is_server) {
		SSL_set_accept_state(t->ssl);
		return true;
	}
	SSL_set_connect_state(t->ssl);
	t->server_name = lm_strdup_bytes(lm_str(server_name));
	return t->server_name && (!server_name || set_name(t, server_name));
}

int lm_transport_tls(struct lm_loop *loop, struct lm_transport *below,
                     struct lm_tls_context *context, bool server, const char *server_name,
                     struct lm_transport **out_transport)
{
	struct tls *t = lm_alloc_zero(1, sizeof(*t));

	if (!t) {
		below->ops->free(below, true);
		return LM_E_NOMEM;
	}
	t->base.ops = &tls_ops;
	t->below = below;
	t->loop = loop;
	t->context = lm_tls_context_ref(context);
	t->is_server = server;
	t->task.run = on_task;
	lm_buf_init(&t->pending, PENDING_MAX);
	if (server != context->server || !set_up(t, server_name)) {
		int err = server != context->server ? LM_E_MISUSE : LM_E_NOMEM;

		below->ops->free(below, true);
		release(t);
		return err;
	}
	below->changed = on_below;
	below->ctx = t;
	set_below(t);
	*out_transport = &t->base;
	return 0;
}

int lm_transport_tls_ask(struct lm_transport *transport)
{
	struct tls *t = self(transport);

	LM_ASSERT(transport->ops == &tls_ops && t->is_server);
	if (!t->ask)
		t->ask = lm_alloc_zero(1, sizeof(*t->ask));
	return t->ask ? 0 : LM_E_NOMEM;
}

struct lm_bytes lm_transport_tls_asked(const struct lm_transport *transport)
{
	const struct tls *t = lm_container(transport, const struct tls, base);

	return transport->ops == &tls_ops && is_asking(t) ? lm_bytes(t->ask->name, t->ask->len)
	                                                  : lm_bytes(NULL, 0);
}

int lm_transport_tls_choose(struct lm_transport *transport, const struct lm_tls_choice *choice,
                            struct lm_error *out_error)
{
	struct tls *t = self(transport);

	if (transport->ops != &tls_ops || !is_asking(t))
		return LM_E_NOT_FOUND;
	return lm_tls_ask_choose(t->ask, t->context, choice, out_error);
}

int lm_transport_tls_done(struct lm_transport *transport, struct lm_error *out_error)
{
	struct tls *t = self(transport);

	LM_ASSERT(transport->ops == &tls_ops);
	if (t->error && !t->is_done) {
		if (out_error && t->reason)
			*out_error = *t->reason;
		return t->error;
	}
	return t->is_done;
}

const char *lm_transport_reason(const struct lm_transport *transport)
{
	const struct tls *t = lm_container(transport, const struct tls, base);

	return transport->ops == &tls_ops && t->reason ? t->reason->text : "";
}

const char *lm_transport_tls_doubt(const struct lm_transport *transport)
{
	const struct tls *t = lm_container(transport, const struct tls, base);

	return transport->ops == &tls_ops && t->doubt ? t->doubt->text : "";
}

SSL *lm_tls_ssl(struct lm_transport *tls)
{
	return self(tls)->ssl;
}
