/* libcurl on a runtime's loop: its sockets are watched, its timer is ours, no thread waits. */
#include "script/fetch_impl.h"

#include "base/error.h"

enum { MAX_CONNECTIONS = 256, MAX_IDLE = 32, LAST_CALL_MS = 5000 };

struct lm_fetch_socket {
	struct lm_fetch_socket *prev, *next;
	struct lm_fetches *owner;
	curl_socket_t fd;
	struct lm_watch *watch;
};

/* ---- telling script ---- */

void lm_fetch_queue(struct lm_fetch *fetch)
{
	struct lm_fetches *f = fetch->owner;

	if (!f || fetch->is_queued)
		return;
	fetch->is_queued = true;
	fetch->next_told = NULL;
	fetch->refs++;
	*f->last = fetch;
	f->last = &fetch->next_told;
}

static struct lm_js_value *call_event(struct lm_fetch *fetch, size_t count,
                                      struct lm_js_value *const args[])
{
	return lm_js_call(fetch->owner->rt->js, fetch->event, NULL, count, args);
}

static bool tell_head(struct lm_fetch *fetch)
{
	struct lm_js *js = fetch->owner->rt->js;
	struct lm_js_value *args[2] = { lm_js_string(js, lm_str("head")),
		                        lm_js_string(js, lm_buf_bytes(&fetch->head)) };

	return args[0] && args[1] && call_event(fetch, 2, args);
}

static bool tell_end(struct lm_fetch *fetch, struct lm_js *js, struct lm_js_value *event)
{
	const struct lm_error *error = &fetch->error;
	struct lm_js_value *args[3] = { lm_js_string(js, lm_str(error->code ? "fail" : "end")),
		                        lm_js_string(js, lm_str(lm_err_name(error->code))),
		                        lm_js_string(js, lm_str(error->text)) };

	return args[0] && args[1] && args[2] && lm_js_call(js, event, NULL, 3, args);
}

/* Script may begin and end others, and this one, in each call. */
static void tell(struct lm_fetch *fetch, struct lm_runtime *rt)
{
	bool ok = true;

	if (fetch->tell_head) {
		fetch->tell_head = false;
		ok = tell_head(fetch);
	}
	if (ok && fetch->owner && fetch->tell_data && !fetch->is_done) {
		struct lm_js_value *data = lm_js_string(rt->js, lm_str("data"));

		fetch->tell_data = false;
		ok = data && call_event(fetch, 1, &data);
	}
	if (ok && fetch->owner && fetch->is_done) {
		struct lm_js_value *event = fetch->event;

		lm_js_hold(rt->js, event);
		lm_fetch_end(fetch);
		ok = tell_end(fetch, rt->js, event);
		lm_js_drop(rt->js, event);
	}
	if (!ok)
		(void)!lm_runtime_fail_caught(rt, "fetch");
}

static void tell_all(struct lm_fetches *f)
{
	struct lm_fetch *fetch;

	if (f->telling)
		return;
	f->telling = true;
	while ((fetch = f->told)) {
		f->told = fetch->next_told;
		if (!f->told)
			f->last = &f->told;
		fetch->is_queued = false;
		if (fetch->owner)
			tell(fetch, f->rt);
		lm_fetch_unref(fetch);
	}
	f->telling = false;
}

/* What libcurl has done since; then script hears of it, outside of libcurl. */
static void look(struct lm_fetches *f)
{
	struct lm_fetch *fetch;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(f->multi, &left))) {
		char *private = NULL;

		if (message->msg != CURLMSG_DONE ||
		    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private))
			continue;
		fetch = (struct lm_fetch *)(void *)private;
		lm_fetch_judge(fetch, message->data.result);
		fetch->is_done = true;
		lm_fetch_queue(fetch);
	}
	tell_all(f);
}

/* ---- sockets and the timer ---- */

static void on_ready(void *ctx, unsigned io)
{
	struct lm_fetch_socket *s = ctx;
	struct lm_fetches *f = s->owner;
	int running, mask = 0;

	if (io & LM_IO_READ)
		mask |= CURL_CSELECT_IN;
	if (io & LM_IO_WRITE)
		mask |= CURL_CSELECT_OUT;
	(void)curl_multi_socket_action(f->multi, s->fd, mask, &running);
	look(f);
}

static void on_timer(struct lm_timer *timer)
{
	struct lm_fetches *f = lm_container(timer, struct lm_fetches, timer);
	int running;

	(void)curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look(f);
}

static int want_timer(CURLM *multi, long ms, void *ctx)
{
	struct lm_fetches *f = ctx;

	(void)multi;
	if (ms < 0) {
		lm_timer_disarm(f->rt->loop, &f->timer);
		return 0;
	}
	lm_loop_update(f->rt->loop);
	lm_timer_arm(f->rt->loop, &f->timer, lm_loop_now(f->rt->loop) + ms);
	return 0;
}

static void socket_free(struct lm_fetch_socket *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		s->owner->sockets = s->next;
	if (s->next)
		s->next->prev = s->prev;
	lm_watch_free(s->watch);
	lm_free(s);
}

static struct lm_fetch_socket *socket_new(struct lm_fetches *f, curl_socket_t fd)
{
	struct lm_fetch_socket *s = lm_alloc_zero(1, sizeof(*s));

	if (!s)
		return NULL;
	s->owner = f;
	s->fd = fd;
	if (lm_watch_new(f->rt->loop, fd, on_ready, s, &s->watch)) {
		lm_free(s);
		return NULL;
	}
	s->next = f->sockets;
	if (s->next)
		s->next->prev = s;
	f->sockets = s;
	return s;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct lm_fetches *f = ctx;
	struct lm_fetch_socket *s = socket_ctx;
	unsigned io = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			socket_free(s);
		(void)curl_multi_assign(f->multi, fd, NULL);
		return 0;
	}
	if (!s) {
		s = socket_new(f, fd);
		if (!s)
			return -1;
		(void)curl_multi_assign(f->multi, fd, s);
	}
	if (what & CURL_POLL_IN)
		io |= LM_IO_READ;
	if (what & CURL_POLL_OUT)
		io |= LM_IO_WRITE;
	lm_watch_want(s->watch, io);
	return 0;
}

/* ---- the program's end ---- */

static void on_last_call(struct lm_timer *timer)
{
	struct lm_fetches *f = lm_container(timer, struct lm_fetches, last_call);

	f->closed = true;
	for (struct lm_fetch *fetch = f->all; fetch; fetch = fetch->next) {
		if (fetch->is_done)
			continue;
		lm_fail(&fetch->error, LM_E_CANCELED, "%.100s: the program ends", fetch->where);
		fetch->is_done = true;
		lm_fetch_queue(fetch);
	}
	tell_all(f);
}

/* Answers that come soon may still be wanted. */
static void on_terminate(void *ctx)
{
	struct lm_fetches *f = ctx;

	lm_loop_update(f->rt->loop);
	lm_timer_arm(f->rt->loop, &f->last_call, lm_loop_now(f->rt->loop) + LAST_CALL_MS);
}

/* ---- beginning and ending ---- */

int lm_fetches_new(struct lm_runtime *rt, struct lm_fetches **out_fetches,
                   struct lm_error *out_error)
{
	struct lm_fetches *f = lm_alloc_zero(1, sizeof(*f));
	CURLMcode bad = CURLM_OK;

	if (f)
		f->multi = curl_multi_init();
	if (!f || !f->multi) {
		lm_free(f);
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	}
	f->rt = rt;
	f->timer.fire = on_timer;
	f->last_call.fire = on_last_call;
	f->last = &f->told;
	bad |= curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	bad |= curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	bad |= curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	bad |= curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	bad |= curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)MAX_CONNECTIONS);
	bad |= curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)MAX_IDLE);
	if (bad || lm_runtime_on_terminate(rt, on_terminate, f)) {
		lm_fetches_free(f);
		return lm_fail(out_error, LM_E_UNSUPPORTED, "libcurl lacks what fetch needs");
	}
	*out_fetches = f;
	return 0;
}

void lm_fetches_free(struct lm_fetches *f)
{
	struct lm_fetch *fetch;

	while (f->all)
		lm_fetch_end(f->all);
	while ((fetch = f->told)) {
		f->told = fetch->next_told;
		lm_fetch_unref(fetch);
	}
	(void)curl_multi_cleanup(f->multi);
	while (f->sockets)
		socket_free(f->sockets);
	lm_timer_disarm(f->rt->loop, &f->timer);
	lm_timer_disarm(f->rt->loop, &f->last_call);
	lm_runtime_off_terminate(f->rt, on_terminate, f);
	lm_free(f);
}

int lm_fetch_begin(struct lm_fetches *f, struct lm_fetch *fetch, struct lm_error *out_error)
{
	if (f->closed)
		return lm_fail(out_error, LM_E_CANCELED, "%.100s: the program ends", fetch->where);
	if (curl_easy_setopt(fetch->easy, CURLOPT_PRIVATE, fetch) ||
	    curl_multi_add_handle(f->multi, fetch->easy))
		return lm_fail(out_error, LM_E_NOMEM, "the request cannot begin");
	fetch->owner = f;
	fetch->refs++;
	fetch->next = f->all;
	if (fetch->next)
		fetch->next->prev = fetch;
	f->all = fetch;
	lm_js_hold(f->rt->js, fetch->event);
	lm_runtime_hold(f->rt);
	return 0;
}

void lm_fetch_end(struct lm_fetch *fetch)
{
	struct lm_fetches *f = fetch->owner;

	if (!f)
		return;
	fetch->owner = NULL;
	(void)curl_multi_remove_handle(f->multi, fetch->easy);
	curl_easy_cleanup(fetch->easy);
	fetch->easy = NULL;
	if (fetch->prev)
		fetch->prev->next = fetch->next;
	else
		f->all = fetch->next;
	if (fetch->next)
		fetch->next->prev = fetch->prev;
	lm_js_drop(f->rt->js, fetch->event);
	fetch->event = NULL;
	lm_runtime_release(f->rt);
	lm_fetch_unref(fetch);
}

void lm_fetch_unref(struct lm_fetch *fetch)
{
	if (--fetch->refs)
		return;
	curl_easy_cleanup(fetch->easy);
	curl_slist_free_all(fetch->lines);
	lm_buf_wipe(&fetch->octets);
	lm_buf_done(&fetch->head);
	lm_stream_unref(fetch->stream);
	lm_stream_unref(fetch->body);
	lm_free(fetch);
}
