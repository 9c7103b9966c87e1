/* Market data: instruments, subscriptions, trades, history, states. Books are depth.c's and offers.c's. */
#include <string.h>

#include "internal.h"

enum { LONGEST_HISTORY_DAYS = 10 };
typedef enum { FEED_TRADES, FEED_DEPTH, FEED_OFFERS } feed_kind;

static struct {
    instrument_t *by_index[MAX_INSTRUMENTS]; /* the exchange's numbers; the ConnectorThread's alone */
    const wire_trade *trade;                 /* what TranslateTrade may read; NULL: no trade callback runs */
    const instrument_t *trade_of;
    atomic_int request;                      /* of the last history request */
    int64_t history_from_ns, history_to_ns;
    const instrument_t *history_of;
    int32_t progress; /* last percentage told; these four under `lock` */
} market;

void market_reset(void) {
    memset(&market, 0, sizeof market);
    memset(sim.instruments, 0, sizeof sim.instruments);
    atomic_store(&sim.instrument_count, 0);
}

static instrument_t *find(const wchar_t *ticker, const wchar_t *exchange) {
    int32_t count = atomic_load(&sim.instrument_count);
    for (int32_t i = 0; i < count; i++) {
        instrument_t *each = &sim.instruments[i];
        if (ticker == each->ticker) return each; /* our own string came back, from inside a callback */
        if (ticker != NULL && wcscmp(ticker, each->ticker) == 0 &&
            (exchange == NULL || *exchange == 0 || wcscmp(exchange, each->exchange) == 0))
            return each;
    }
    return NULL;
}

instrument_t *instrument_find(const TConnectorAssetIdentifier *asset) {
    return asset == NULL ? NULL : find(asset->ticker, asset->exchange);
}

int32_t instrument_number(const instrument_t *instrument) { return (int32_t)(instrument - sim.instruments); }

bool on_instrument(const wire_instrument *message) {
    wchar_t ticker[17], exchange[5];
    to_wide(message->ticker, sizeof message->ticker, ticker, 16);
    to_wide(message->exchange, sizeof message->exchange, exchange, 4);
    instrument_t *instrument = find(ticker, exchange);
    int32_t count = atomic_load(&sim.instrument_count);
    if (message->index < 0 || message->index >= MAX_INSTRUMENTS || (instrument == NULL && count == MAX_INSTRUMENTS)) {
        log_line("an instrument is beyond the %d this library holds", MAX_INSTRUMENTS);
        return true;
    }
    if (instrument == NULL) {
        instrument = &sim.instruments[count];
        wcscpy(instrument->ticker, ticker);
        wcscpy(instrument->exchange, exchange);
        instrument->asset = (TConnectorAssetIdentifier){0, instrument->ticker, instrument->exchange, 0};
        instrument->record = (TAssetIDRec){instrument->ticker, instrument->exchange, 0};
        instrument->point_value = message->point_value;
        atomic_store(&sim.instrument_count, count + 1);
    }
    atomic_store(&instrument->state, message->state);
    market.by_index[message->index] = instrument;
    return true;
}

instrument_t *instrument_numbered(int32_t index) {
    return index >= 0 && index < MAX_INSTRUMENTS ? market.by_index[index] : NULL;
}

/* The exchange tells books once, whether they are wanted as price levels or as offers. */
static bool send_subscription(const instrument_t *instrument, bool trades, bool depth, bool on) {
    wire_subscribe body = {.trades = trades, .depth = depth, .on = on};
    to_utf8(instrument->ticker, body.ticker, sizeof body.ticker);
    to_utf8(instrument->exchange, body.exchange, sizeof body.exchange);
    return wire_send(WIRE_SUBSCRIBE, &body, sizeof body);
}

void market_resubscribe(void) {
    for (int32_t i = 0; i < atomic_load(&sim.instrument_count); i++) {
        instrument_t *each = &sim.instruments[i];
        bool trades = atomic_load(&each->trades), depth = atomic_load(&each->depth) || atomic_load(&each->offers);
        depth_restart(each);
        if (trades || depth) send_subscription(each, trades, depth, true);
    }
}

static int32_t subscribe(const wchar_t *ticker, const wchar_t *exchange, feed_kind kind, bool on) {
    int32_t code = request_gate(false);
    if (code != NL_OK) return code;
    if (ticker == NULL || exchange == NULL) return NL_INVALID_ARGS;
    instrument_t *instrument = find(ticker, exchange);
    notice_t notice = {.kind = NOTICE_INVALID_TICKER};
    if (instrument == NULL) { /* told later, by callback */
        if (!on) return NL_INVALID_TICKER;
        if (wcslen(ticker) > 16 || wcslen(exchange) > 4) return NL_INVALID_TICKER;
        wcscpy(notice.ticker, ticker);
        wcscpy(notice.exchange, exchange);
        post_notice(&notice);
        return NL_OK;
    }
    if (kind == FEED_DEPTH && on) atomic_store(&instrument->whole_book, true);
    if (kind == FEED_OFFERS && on) atomic_store(&instrument->whole_offers, true);
    atomic_store(kind == FEED_TRADES ? &instrument->trades : kind == FEED_DEPTH ? &instrument->depth : &instrument->offers,
                 on);
    bool books = atomic_load(&instrument->depth) || atomic_load(&instrument->offers);
    if (kind != FEED_TRADES && !on && books) return NL_OK; /* the other form of the book is still wanted */
    if (!send_subscription(instrument, kind == FEED_TRADES, kind != FEED_TRADES, on)) return NL_WAITING_SERVER;
    if (on && kind == FEED_TRADES) {
        notice.kind = NOTICE_TICKER_STATE;
        notice.index = instrument_number(instrument);
        post_notice(&notice);
    }
    return NL_OK;
}

API int32_t CALL SubscribeTicker(const wchar_t *ticker, const wchar_t *exchange) {
    return subscribe(ticker, exchange, FEED_TRADES, true);
}

API int32_t CALL UnsubscribeTicker(const wchar_t *ticker, const wchar_t *exchange) {
    return subscribe(ticker, exchange, FEED_TRADES, false);
}

API int32_t CALL SubscribePriceDepth(const TConnectorAssetIdentifier *asset) {
    return asset == NULL ? NL_INVALID_ARGS : subscribe(asset->ticker, asset->exchange, FEED_DEPTH, true);
}

API int32_t CALL UnsubscribePriceDepth(const TConnectorAssetIdentifier *asset) {
    return asset == NULL ? NL_INVALID_ARGS : subscribe(asset->ticker, asset->exchange, FEED_DEPTH, false);
}

API int32_t CALL SubscribeOfferBook(const wchar_t *ticker, const wchar_t *exchange) {
    return subscribe(ticker, exchange, FEED_OFFERS, true);
}

API int32_t CALL UnsubscribeOfferBook(const wchar_t *ticker, const wchar_t *exchange) {
    return subscribe(ticker, exchange, FEED_OFFERS, false);
}

/* 1..99 from the place in the time asked for, 100 by the end; each number at most once, rising. Who hears 100 may ask again
   at once, on a thread of his own: from then on nothing more is told of the request before. */
static void tell_progress(const instrument_t *instrument, int32_t request, int32_t percent) {
    for (;;) {
        mutex_lock(&sim.lock);
        bool due = request == atomic_load(&market.request) && market.progress < percent;
        int32_t next = due ? ++market.progress : 0;
        mutex_unlock(&sim.lock);
        if (!due) return;
        FIRE(progress, lend_record(&instrument->record), next);
    }
}

bool on_trade(const wire_trade *message, bool history) {
    const instrument_t *instrument = instrument_numbered(message->index);
    if (instrument == NULL || (!history && !atomic_load(&instrument->trades))) return true;
    market.trade = lend_bytes(message, sizeof *message);
    market.trade_of = instrument;
    if (!history)
        FIRE(trade, lend_asset(&instrument->asset), (uintptr_t)market.trade, message->flags);
    else
        FIRE(history, lend_asset(&instrument->asset), (uintptr_t)market.trade, message->flags);
    market.trade = NULL;
    if (!history || message->request == 0 || message->request != atomic_load(&market.request)) return true;
    mutex_lock(&sim.lock);
    double share = ((double)message->ts_ns - (double)market.history_from_ns) /
                   ((double)market.history_to_ns - (double)market.history_from_ns);
    mutex_unlock(&sim.lock);
    tell_progress(instrument, message->request, share < 0 ? 1 : share > 0.99 ? 99 : 1 + (int32_t)(share * 98));
    return true;
}

/* A request that failed stays at 99, which is how the real library fails. */
bool on_history_end(const wire_history_end *message) {
    if (message->request != atomic_load(&market.request)) return true;
    mutex_lock(&sim.lock);
    const instrument_t *instrument = market.history_of;
    mutex_unlock(&sim.lock);
    if (message->code != NL_OK) log_line("history request %d failed: %d", message->request, message->code);
    if (instrument != NULL) tell_progress(instrument, message->request, message->code == NL_OK ? 100 : 99);
    return true;
}

API int32_t CALL GetHistoryTrades(const wchar_t *ticker, const wchar_t *exchange, const wchar_t *from,
                                  const wchar_t *to) {
    int32_t code = request_gate(false);
    if (code != NL_OK) return code;
    wire_history body = {0};
    const instrument_t *instrument = find(ticker, exchange);
    if (ticker == NULL || !parse_local(from, &body.from_ns) || !parse_local(to, &body.to_ns) ||
        body.to_ns <= body.from_ns)
        return NL_INVALID_ARGS;
    if (instrument == NULL) return NL_INVALID_TICKER;
    bool index_or_dollar = wcsncmp(ticker, L"WIN", 3) == 0 || wcsncmp(ticker, L"WDO", 3) == 0;
    if (index_or_dollar && body.to_ns - body.from_ns > LONGEST_HISTORY_DAYS * 86400000000000LL) return NL_OUT_OF_RANGE;
    to_utf8(instrument->ticker, body.ticker, sizeof body.ticker);
    to_utf8(instrument->exchange, body.exchange, sizeof body.exchange);
    mutex_lock(&sim.lock);
    body.request = atomic_fetch_add(&market.request, 1) + 1;
    market.history_from_ns = body.from_ns;
    market.history_to_ns = body.to_ns;
    market.history_of = instrument;
    market.progress = 0;
    mutex_unlock(&sim.lock);
    return wire_send(WIRE_HISTORY, &body, sizeof body) ? NL_OK : NL_WAITING_SERVER;
}

API int32_t CALL TranslateTrade(uintptr_t trade, TConnectorTrade *out) {
    if (!atomic_load(&sim.running)) return NL_NOT_INITIALIZED;
    if (out == NULL || !on_connector || market.trade == NULL || trade != (uintptr_t)market.trade)
        return NL_INVALID_ARGS; /* the pointer lives as long as its callback */
    if (out->version > 1) return NL_VERSION_NOT_SUPPORTED;
    fault_may_abort(); /* a host that dies in the middle of its callback */
    const wire_trade *t = market.trade;
    out->trade_date = local_time(t->ts_ns);
    out->trade_number = t->number;
    out->price = t->price;
    out->quantity = t->quantity;
    out->volume = t->price * (double)t->quantity * market.trade_of->point_value;
    out->buy_agent = t->buyer;
    out->sell_agent = t->seller;
    out->trade_type = t->trade_type;
    return NL_OK;
}

bool on_ticker_state(const wire_ticker_state *message) {
    instrument_t *instrument = instrument_numbered(message->index);
    if (instrument == NULL) return true;
    atomic_store(&instrument->state, message->state);
    if (!atomic_load(&instrument->trades) && !atomic_load(&instrument->depth) && !atomic_load(&instrument->offers))
        return true;
    wchar_t date[DATE_LENGTH];
    format_local(message->ts_ns, date);
    FIRE(ticker_state, lend_record(&instrument->record), lend_text(date), message->state);
    return true;
}

bool on_daily(const wire_daily *d) {
    const instrument_t *instrument = instrument_numbered(d->index);
    if (instrument == NULL || !atomic_load(&instrument->trades)) return true;
    wchar_t date[DATE_LENGTH];
    format_local(d->ts_ns, date);
    FIRE(daily, lend_record(&instrument->record), lend_text(date), d->open, d->high, d->low, d->close, d->volume,
         d->adjust, d->max_limit, d->min_limit, d->volume_buyer, d->volume_seller, d->quantity, d->trades,
         d->open_contracts, d->quantity_buyer, d->quantity_seller, d->trades_buyer, d->trades_seller);
    return true;
}
