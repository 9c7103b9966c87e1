/* Market data: instruments, subscriptions, trades, the price depth and its notices, history. */
#include <string.h>

#include "internal.h"

enum { LONGEST_HISTORY_DAYS = 10 };

static struct {
    instrument_t *by_index[MAX_INSTRUMENTS]; /* the exchange's numbers; the ConnectorThread's alone */
    const wire_trade *trade;                 /* what TranslateTrade may read; NULL: no trade callback runs */
    const instrument_t *trade_of;
    atomic_int request;                      /* of the last history request */
    int64_t history_from_ns, history_to_ns;
    const instrument_t *history_of; /* these three under `lock` */
    atomic_int progress;            /* last percentage told */
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

static instrument_t *numbered(int32_t index) {
    return index >= 0 && index < MAX_INSTRUMENTS ? market.by_index[index] : NULL;
}

static bool send_subscription(const instrument_t *instrument, bool trades, bool depth, bool on) {
    wire_subscribe body = {.trades = trades, .depth = depth, .on = on};
    to_utf8(instrument->ticker, body.ticker, sizeof body.ticker);
    to_utf8(instrument->exchange, body.exchange, sizeof body.exchange);
    return wire_send(WIRE_SUBSCRIBE, &body, sizeof body);
}

void market_resubscribe(void) {
    for (int32_t i = 0; i < atomic_load(&sim.instrument_count); i++) {
        instrument_t *each = &sim.instruments[i];
        bool trades = atomic_load(&each->trades), depth = atomic_load(&each->depth);
        atomic_store(&each->whole_book, true);
        if (trades || depth) send_subscription(each, trades, depth, true);
    }
}

static int32_t subscribe(const wchar_t *ticker, const wchar_t *exchange, bool depth, bool on) {
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
    if (depth && on) atomic_store(&instrument->whole_book, true);
    atomic_store(depth ? &instrument->depth : &instrument->trades, on);
    if (!send_subscription(instrument, !depth, depth, on)) return NL_WAITING_SERVER;
    if (on && !depth) {
        notice.kind = NOTICE_TICKER_STATE;
        notice.index = instrument_number(instrument);
        post_notice(&notice);
    }
    return NL_OK;
}

API int32_t CALL SubscribeTicker(const wchar_t *ticker, const wchar_t *exchange) {
    return subscribe(ticker, exchange, false, true);
}

API int32_t CALL UnsubscribeTicker(const wchar_t *ticker, const wchar_t *exchange) {
    return subscribe(ticker, exchange, false, false);
}

API int32_t CALL SubscribePriceDepth(const TConnectorAssetIdentifier *asset) {
    return asset == NULL ? NL_INVALID_ARGS : subscribe(asset->ticker, asset->exchange, true, true);
}

API int32_t CALL UnsubscribePriceDepth(const TConnectorAssetIdentifier *asset) {
    return asset == NULL ? NL_INVALID_ARGS : subscribe(asset->ticker, asset->exchange, true, false);
}

/* The simulated exchange tells price levels, not single offers. */
static int32_t no_offers(const wchar_t *ticker, const wchar_t *exchange) {
    int32_t code = request_gate(false);
    if (code != NL_OK) return code;
    return find(ticker, exchange) == NULL ? NL_INVALID_TICKER : NL_ASSET_NO_DATA;
}

API int32_t CALL SubscribeOfferBook(const wchar_t *ticker, const wchar_t *exchange) {
    return no_offers(ticker, exchange);
}

API int32_t CALL UnsubscribeOfferBook(const wchar_t *ticker, const wchar_t *exchange) {
    return no_offers(ticker, exchange);
}

/* 1..99 from the place in the time asked for, 100 by the end; each number at most once, rising */
static void tell_progress(const instrument_t *instrument, int32_t percent) {
    while (atomic_load(&market.progress) < percent) {
        int32_t next = atomic_fetch_add(&market.progress, 1) + 1;
        FIRE(progress, lend_record(&instrument->record), next);
    }
}

bool on_trade(const wire_trade *message, bool history) {
    const instrument_t *instrument = numbered(message->index);
    if (instrument == NULL || (!history && !atomic_load(&instrument->trades))) return true;
    market.trade = lend_bytes(message, sizeof *message);
    market.trade_of = instrument;
    if (!history)
        FIRE(trade, lend_asset(&instrument->asset), (uintptr_t)market.trade, message->flags);
    else
        FIRE(history, lend_asset(&instrument->asset), (uintptr_t)market.trade, message->flags);
    market.trade = NULL;
    if (!history || message->request != atomic_load(&market.request)) return true;
    mutex_lock(&sim.lock);
    double share = (double)(message->ts_ns - market.history_from_ns) /
                   (double)(market.history_to_ns - market.history_from_ns);
    mutex_unlock(&sim.lock);
    tell_progress(instrument, share < 0 ? 1 : share > 0.99 ? 99 : 1 + (int32_t)(share * 98));
    return true;
}

/* A request that failed stays at 99, which is how the real library fails. */
bool on_history_end(const wire_history_end *message) {
    if (message->request != atomic_load(&market.request)) return true;
    mutex_lock(&sim.lock);
    const instrument_t *instrument = market.history_of;
    mutex_unlock(&sim.lock);
    if (message->code != NL_OK) log_line("history request %d failed: %d", message->request, message->code);
    if (instrument != NULL) tell_progress(instrument, message->code == NL_OK ? 100 : 99);
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
    atomic_store(&market.progress, 0);
    mutex_unlock(&sim.lock);
    return wire_send(WIRE_HISTORY, &body, sizeof body) ? NL_OK : NL_WAITING_SERVER;
}

API int32_t CALL TranslateTrade(uintptr_t trade, TConnectorTrade *out) {
    if (!atomic_load(&sim.running)) return NL_NOT_INITIALIZED;
    if (out == NULL || !on_connector || market.trade == NULL || trade != (uintptr_t)market.trade)
        return NL_INVALID_ARGS; /* the pointer lives as long as its callback */
    if (out->version > 1) return NL_VERSION_NOT_SUPPORTED;
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

static void read_side(book_side *side, const double *prices, const int64_t *quantities, const uint32_t *orders) {
    side->count = 0;
    for (int32_t i = 0; i < WIRE_LEVELS; i++) {
        if (prices[i] == 0 && quantities[i] == 0) continue;
        side->price[side->count] = prices[i];
        side->quantity[side->count] = quantities[i];
        side->orders[side->count++] = orders[i];
    }
}

/* The steps that turn the old list into the new one, each at its position in the list as it stands by then. A callback
 * that reads its level sees the new book: everything before the step's position is already final. */
static void tell_changes(const instrument_t *instrument, uint8_t side, const book_side *old, const book_side *new,
                         bool best_changed) {
    int32_t i = 0, j = 0;
    while (i < old->count || j < new->count) {
        bool gone = j == new->count || (i < old->count && (side == BOOK_BUY ? old->price[i] > new->price[j]
                                                                           : old->price[i] < new->price[j]));
        bool same = !gone && i < old->count && old->price[i] == new->price[j];
        if (gone) {
            i++;
            FIRE(depth, lend_asset(&instrument->asset), side, j, DEPTH_DELETE);
            continue;
        }
        if (!same) {
            FIRE(depth, lend_asset(&instrument->asset), side, j, DEPTH_INSERT);
        } else if (old->quantity[i] != new->quantity[j] || old->orders[i] != new->orders[j] ||
                   (j == 0 && best_changed)) {
            FIRE(depth, lend_asset(&instrument->asset), side, j, DEPTH_EDIT);
        }
        i += same;
        j++;
    }
}

/* One message: prepare, its notices, flush. A message without a change has prepare and flush only. */
bool on_book(const wire_book *message) {
    instrument_t *instrument = numbered(message->index);
    if (instrument == NULL || !atomic_load(&instrument->depth)) return true;
    book_side old[2] = {instrument->side[0], instrument->side[1]}, new[2];
    read_side(&new[0], message->bid_price, message->bid_quantity, message->bid_count);
    read_side(&new[1], message->ask_price, message->ask_quantity, message->ask_count);
    bool flag_changed = (instrument->book_flags ^ message->flags) & GROUP_THEORETICAL;
    bool theoretical = message->flags & GROUP_THEORETICAL || flag_changed ||
                       instrument->theoretical_price != message->theoretical_price ||
                       instrument->theoretical_quantity != message->theoretical_quantity;
    mutex_lock(&sim.lock);
    memcpy(instrument->side, new, sizeof new);
    instrument->book_flags = message->flags;
    instrument->theoretical_price = message->theoretical_price;
    instrument->theoretical_quantity = message->theoretical_quantity;
    mutex_unlock(&sim.lock);
    const TConnectorAssetIdentifier *asset = &instrument->asset;
    FIRE(depth, lend_asset(asset), BOOK_NONE, -1, DEPTH_PREPARE);
    if (atomic_exchange(&instrument->whole_book, false)) {
        FIRE(depth, lend_asset(asset), BOOK_BOTH, 0, DEPTH_FULL);
    } else {
        tell_changes(instrument, BOOK_BUY, &old[0], &new[0], flag_changed);
        tell_changes(instrument, BOOK_SELL, &old[1], &new[1], flag_changed);
    }
    if (theoretical) FIRE(depth, lend_asset(asset), BOOK_NONE, -1, DEPTH_THEORETICAL);
    FIRE(depth, lend_asset(asset), BOOK_NONE, -1, DEPTH_FLUSH);
    return true;
}

bool on_ticker_state(const wire_ticker_state *message) {
    instrument_t *instrument = numbered(message->index);
    if (instrument == NULL) return true;
    atomic_store(&instrument->state, message->state);
    if (!atomic_load(&instrument->trades) && !atomic_load(&instrument->depth)) return true;
    wchar_t date[DATE_LENGTH];
    format_local(message->ts_ns, date);
    FIRE(ticker_state, lend_record(&instrument->record), lend_text(date), message->state);
    return true;
}

/* The accessors. On the ConnectorThread nothing can change the book meanwhile: it alone writes it. */
static void lock_book(void) {
    if (!on_connector) mutex_lock(&sim.lock);
}

static void unlock_book(void) {
    if (!on_connector) mutex_unlock(&sim.lock);
}

API int32_t CALL GetPriceDepthSideCount(const TConnectorAssetIdentifier *asset, uint8_t side) {
    if (!atomic_load(&sim.running)) return NL_NOT_INITIALIZED;
    instrument_t *instrument = instrument_find(asset);
    if (instrument == NULL) return NL_INVALID_TICKER;
    if (side > BOOK_SELL) return NL_INVALID_ARGS;
    lock_book();
    int32_t count = instrument->side[side].count;
    unlock_book();
    return count;
}

API int32_t CALL GetPriceGroup(const TConnectorAssetIdentifier *asset, uint8_t side, int32_t position,
                               TConnectorPriceGroup *out) {
    if (!atomic_load(&sim.running)) return NL_NOT_INITIALIZED;
    instrument_t *instrument = instrument_find(asset);
    if (instrument == NULL) return NL_INVALID_TICKER;
    if (side > BOOK_SELL || out == NULL) return NL_INVALID_ARGS;
    lock_book();
    const book_side *levels = &instrument->side[side];
    bool found = position >= 0 && position < levels->count;
    if (found) {
        out->price = levels->price[position];
        out->count = levels->orders[position];
        out->quantity = levels->quantity[position];
        out->flags = position == 0 ? instrument->book_flags & GROUP_THEORETICAL : 0;
    }
    unlock_book();
    return found ? NL_OK : NL_OUT_OF_RANGE;
}

API int32_t CALL GetTheoreticalValues(const TConnectorAssetIdentifier *asset, double *price, int64_t *quantity) {
    if (!atomic_load(&sim.running)) return NL_NOT_INITIALIZED;
    instrument_t *instrument = instrument_find(asset);
    if (instrument == NULL) return NL_INVALID_TICKER;
    if (price == NULL || quantity == NULL) return NL_INVALID_ARGS;
    lock_book();
    *price = instrument->theoretical_price;
    *quantity = instrument->theoretical_quantity;
    unlock_book();
    return NL_OK;
}
