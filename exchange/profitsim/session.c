/* The session: both logins, the ConnectorThread, states, reconnecting, the clock, and the setters of callbacks. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

sim_t sim = {.lock = MUTEX_INIT, .send_lock = MUTEX_INIT};
_Thread_local bool on_connector;

enum { START_MS = 60, FIRST_BACK_OFF_MS = 100, LONGEST_BACK_OFF_MS = 2000, SLICE_MS = 20 };

#define LATEST_NS (INT64_MAX / 2) /* of a market clock: in the year 2116 */
#define FASTEST 1e9

static struct {
    mutex_t life; /* initialise and finalise exclude each other */
    thread_t thread;
    bool refused; /* the exchange refused the last login */
    wire_clock clock;
    int64_t clock_read_ns; /* monotonic, 0: no clock yet */
    notice_t notices[MAX_NOTICES];
    int32_t notice_count;
} session = {.life = MUTEX_INIT};

void log_line(const char *format, ...) {
    if (getenv("PROFITSIM_LOG") == NULL) return;
    va_list arguments;
    va_start(arguments, format);
    fputs("profitsim: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

/* The real library deadlocks or misbehaves here; this one refuses, and counts. */
static bool refused_on_connector(void) {
    if (!on_connector) return false;
    atomic_fetch_add(&sim.refused, 1);
    log_line("a request was made from inside a callback");
    return true;
}

int32_t query_gate(bool routing) {
    if (refused_on_connector()) return NL_INTERNAL_ERROR;
    if (!atomic_load(&sim.running)) return NL_NOT_INITIALIZED;
    if (routing && !sim.full) return NL_MARKET_ONLY;
    return atomic_load(&sim.told) ? NL_OK : NL_WAITING_SERVER;
}

int32_t request_gate(bool routing) {
    int32_t code = query_gate(routing);
    return code == NL_OK && !atomic_load(&sim.connected) ? NL_WAITING_SERVER : code;
}

int64_t market_now_ns(void) {
    mutex_lock(&sim.lock);
    int64_t now = 0;
    if (session.clock_read_ns != 0) {
        now = session.clock.market_ns;
        double passed = (double)(monotonic_ns() - session.clock_read_ns) * session.clock.speed;
        if (session.clock.running) now += passed < (double)LATEST_NS ? (int64_t)passed : LATEST_NS;
    }
    mutex_unlock(&sim.lock);
    return now;
}

void post_notice(const notice_t *notice) {
    mutex_lock(&sim.lock);
    if (session.notice_count < MAX_NOTICES)
        session.notices[session.notice_count++] = *notice;
    else
        log_line("too many notices are waiting: one is lost");
    mutex_unlock(&sim.lock);
}

void run_notices(void) {
    for (;;) {
        notice_t notice;
        mutex_lock(&sim.lock);
        bool any = session.notice_count > 0;
        if (any) {
            notice = session.notices[0];
            session.notice_count--;
            memmove(session.notices, session.notices + 1, (size_t)session.notice_count * sizeof notice);
        }
        mutex_unlock(&sim.lock);
        if (!any) return;
        if (notice.kind == NOTICE_INVALID_TICKER) {
            TConnectorAssetIdentifier asset = {0, notice.ticker, notice.exchange, 0};
            FIRE(invalid_ticker, lend_asset(&asset));
        } else if (notice.kind == NOTICE_TICKER_STATE) {
            wchar_t date[DATE_LENGTH];
            format_local(market_now_ns(), date);
            instrument_t *instrument = &sim.instruments[notice.index];
            FIRE(ticker_state, lend_record(&instrument->record), lend_text(date), atomic_load(&instrument->state));
        } else {
            FIRE(order_history, lend_account(&sim.accounts[notice.index].id));
        }
    }
}

static bool on_login_done(void) {
    atomic_store(&sim.told, true);
    atomic_store(&sim.connected, true);
    market_resubscribe();
    FIRE(state, STATE_ACTIVATION, 0);
    if (sim.full) {
        FIRE(state, STATE_ROUTING, ROUTING_CONNECTED);
        FIRE(state, STATE_ROUTING, ROUTING_BROKER_CONNECTED);
        announce_accounts();
    }
    FIRE(state, STATE_MARKET, MARKET_CONNECTED);
    return true;
}

static bool on_login_reply(int32_t code) {
    session.refused = code != 0;
    FIRE(state, STATE_LOGIN, code);
    return code == 0;
}

static bool on_clock(const wire_clock *message) {
    if (!(message->speed >= 0 && message->speed <= FASTEST) || message->market_ns < 0 || message->market_ns > LATEST_NS) {
        log_line("a clock at %lld ns that runs %g times as fast", (long long)message->market_ns, message->speed);
        return false;
    }
    mutex_lock(&sim.lock);
    session.clock = *message;
    session.clock_read_ns = monotonic_ns();
    mutex_unlock(&sim.lock);
    return true;
}

bool handle_message(uint16_t type, const void *body) {
    bool at_login = !atomic_load(&sim.connected);
    switch (type) {
    case WIRE_TRADE: return on_trade(body, false);
    case WIRE_BOOK: return on_book(body);
    case WIRE_HISTORY_TRADE: return on_trade(body, true);
    case WIRE_HISTORY_END: return on_history_end(body);
    case WIRE_CLOCK: return on_clock(body);
    case WIRE_ORDER: return on_order(body, at_login);
    case WIRE_POSITION: return on_position(body, at_login);
    case WIRE_TICKER_STATE: return on_ticker_state(body);
    case WIRE_INSTRUMENT: return on_instrument(body);
    case WIRE_ACCOUNT: return on_account(body);
    case WIRE_LOGIN_REPLY: return on_login_reply(((const wire_login_reply *)body)->code);
    case WIRE_LOGIN_DONE: return on_login_done();
    case WIRE_STATE: FIRE(state, ((const wire_state *)body)->type, ((const wire_state *)body)->value); return true;
    case WIRE_FAULT: return on_fault(body);
    case WIRE_DAILY: return on_daily(body);
    default: return false;
    }
}

static void wait_stoppable(uint32_t ms) {
    for (uint32_t waited = 0; waited < ms && !atomic_load(&sim.stopping); waited += SLICE_MS) sleep_ms(SLICE_MS);
}

static THREAD_RESULT connector_thread(void *unused) {
    (void)unused;
    on_connector = true;
    uint32_t back_off = FIRST_BACK_OFF_MS;
    FIRE(state, STATE_MARKET, MARKET_CONNECTING);
    wait_stoppable(START_MS); /* callbacks are registered meanwhile; the real library takes seconds */
    while (!atomic_load(&sim.stopping)) {
        session.refused = false;
        if (wire_connect()) {
            if (wire_send(WIRE_LOGIN, &sim.login, sizeof sim.login))
                while (!atomic_load(&sim.stopping) && wire_receive()) run_notices();
            wire_close();
            if (atomic_exchange(&sim.connected, false)) {
                back_off = FIRST_BACK_OFF_MS;
                if (sim.full) FIRE(state, STATE_ROUTING, ROUTING_DISCONNECTED);
                FIRE(state, STATE_MARKET, MARKET_DISCONNECTED);
                if (!atomic_load(&sim.stopping)) FIRE(state, STATE_MARKET, MARKET_CONNECTING);
            }
        }
        /* A first login that is refused stays so. A later one may just come before the old session is forgotten. */
        while (session.refused && !atomic_load(&sim.told) && !atomic_load(&sim.stopping)) sleep_ms(SLICE_MS);
        wait_stoppable(back_off);
        back_off = back_off * 2 < LONGEST_BACK_OFF_MS ? back_off * 2 : LONGEST_BACK_OFF_MS;
    }
    on_connector = false;
    return 0;
}

void session_reset(void) {
    market_reset();
    orders_reset();
    accounts_reset();
    faults_reset();
    memset(&session.clock, 0, sizeof session.clock);
    session.clock_read_ns = session.notice_count = 0;
    atomic_store(&sim.told, false);
    atomic_store(&sim.connected, false);
}

static bool configure_from_environment(void) {
    const char *host = getenv("PROFITSIM_HOST"), *port = getenv("PROFITSIM_PORT");
    wchar_t wide_host[64], wide_port[8];
    if (port == NULL) return false;
    to_wide(host != NULL ? host : "127.0.0.1", 63, wide_host, 63);
    to_wide(port, 7, wide_port, 7);
    return wire_configure(wide_host, wide_port);
}

static int32_t initialise(bool full, const wchar_t *key, const wchar_t *user, const wchar_t *password,
                          StateCallback state, DailyCallback daily, ProgressCallback progress) {
    if (refused_on_connector()) return NL_INTERNAL_ERROR;
    int32_t code = NL_OK;
    mutex_lock(&session.life);
    if (atomic_load(&sim.running)) {
        code = NL_DUPLICATE_RESOURCE; /* one session for each activation key */
    } else if (key == NULL || user == NULL || password == NULL || state == NULL ||
               !to_utf8(key, sim.login.key, sizeof sim.login.key) ||
               !to_utf8(user, sim.login.user, sizeof sim.login.user) ||
               !to_utf8(password, sim.login.password, sizeof sim.login.password) ||
               !(wire_configured() || configure_from_environment())) {
        code = NL_INVALID_ARGS;
    } else {
        sim.login.full = full;
        sim.full = full;
        session_reset();
        atomic_store(&sim.stopping, false);
        atomic_store(&sim.callbacks.state, state);
        atomic_store(&sim.callbacks.daily, daily);
        atomic_store(&sim.callbacks.progress, progress);
        atomic_store(&sim.running, true);
        if (!network_start() || !thread_start(&session.thread, connector_thread)) {
            atomic_store(&sim.running, false);
            code = NL_INTERNAL_ERROR;
        }
    }
    mutex_unlock(&session.life);
    return code;
}

/* The slots of trade, book and history callbacks are for older forms of them: this library fires none of those. */
API int32_t CALL DLLInitializeMarketLogin(const wchar_t *key, const wchar_t *user, const wchar_t *password,
                                          StateCallback state, void *trade, DailyCallback daily, void *price_book,
                                          void *offer_book, void *history_trade, ProgressCallback progress,
                                          void *tiny_book) {
    (void)trade, (void)price_book, (void)offer_book, (void)history_trade, (void)tiny_book;
    return initialise(false, key, user, password, state, daily, progress);
}

API int32_t CALL DLLInitializeLogin(const wchar_t *key, const wchar_t *user, const wchar_t *password,
                                    StateCallback state, void *history, void *order_change, void *account, void *trade,
                                    DailyCallback daily, void *price_book, void *offer_book, void *history_trade,
                                    ProgressCallback progress, void *tiny_book) {
    (void)history, (void)order_change, (void)account, (void)trade;
    (void)price_book, (void)offer_book, (void)history_trade, (void)tiny_book;
    return initialise(true, key, user, password, state, daily, progress);
}

API int32_t CALL DLLFinalize(void) {
    if (refused_on_connector()) return NL_INTERNAL_ERROR;
    mutex_lock(&session.life);
    bool was_running = atomic_load(&sim.running);
    if (was_running) {
        atomic_store(&sim.stopping, true);
        wire_interrupt();
        thread_join(session.thread);
        network_stop();
        atomic_store(&sim.running, false);
        atomic_store(&sim.told, false);
        memset(&sim.login, 0, sizeof sim.login);
        orders_reset();
        wire_reset();
    }
    mutex_unlock(&session.life);
    return was_running ? NL_OK : NL_NOT_INITIALIZED;
}

API int32_t CALL SetServerAndPort(const wchar_t *host, const wchar_t *port) {
    if (atomic_load(&sim.running)) return NL_DUPLICATE_RESOURCE;
    return wire_configure(host, port) ? NL_OK : NL_INVALID_ARGS;
}

API int32_t CALL GetServerClock(double *date, int32_t *year, int32_t *month, int32_t *day, int32_t *hour,
                                int32_t *minute, int32_t *second, int32_t *millisecond) {
    if (!atomic_load(&sim.running)) return NL_NOT_INITIALIZED;
    int64_t now = market_now_ns();
    if (now == 0) return NL_WAITING_SERVER;
    SystemTime t = local_time(now);
    *date = (double)(local_ns(now) / 1000000) / 86400000.0 + 25569.0; /* days since 1899-12-30 */
    *year = t.year, *month = t.month, *day = t.day;
    *hour = t.hour, *minute = t.minute, *second = t.second, *millisecond = t.millisecond;
    return NL_OK;
}

API int32_t CALL SetDayTrade(int32_t use_day_trade) {
    (void)use_day_trade; /* the simulated broker has one kind of position */
    return atomic_load(&sim.running) ? NL_OK : NL_NOT_INITIALIZED;
}

/* How many requests were made from inside callbacks since the library was loaded. Not an export of the real library. */
API int32_t CALL profitsim_refused(void) { return atomic_load(&sim.refused); }

#define SETTER(export, kind, slot)                                                                                     \
    API int32_t CALL export(kind callback) {                                                                           \
        atomic_store(&sim.callbacks.slot, callback);                                                                   \
        return NL_OK;                                                                                                  \
    }

SETTER(SetStateCallback, StateCallback, state)
SETTER(SetTradeCallbackV2, TradeCallback, trade)
SETTER(SetHistoryTradeCallbackV2, TradeCallback, history)
SETTER(SetPriceDepthCallback, DepthCallback, depth)
SETTER(SetOfferBookCallbackV2, OfferBookCallback, offer_book)
SETTER(SetDailyCallback, DailyCallback, daily)
SETTER(SetSerieProgressCallback, ProgressCallback, progress)
SETTER(SetChangeStateTickerCallback, TickerStateCallback, ticker_state)
SETTER(SetInvalidTickerCallback, AssetCallback, invalid_ticker)
SETTER(SetOrderCallback, OrderCallback, order)
SETTER(SetOrderHistoryCallback, AccountCallback, order_history)
SETTER(SetAssetPositionListCallback, PositionCallback, position)
SETTER(SetBrokerAccountListChangedCallback, AccountListCallback, account_list)
