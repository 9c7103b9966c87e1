/* A complete client of ProfitDLL in one file of C11: log in, subscribe, print trades and the best prices, buy one, see it
 * filled.
 *
 *   python supervisor.py exchange                          (in another terminal; it prints the port)
 *
 *   cc -std=c11 -D_DEFAULT_SOURCE -I exchange/profitsim examples/profitsim_client.c -o client \
 *      -L exchange/profitsim -l:profitsim.so -Wl,-rpath,exchange/profitsim                        Linux
 *   cc -std=c11 -I exchange/profitsim examples/profitsim_client.c -o client.exe exchange/profitsim/ProfitDLL64.dll
 *                                                                                               Windows (gcc, clang, zig)
 *   ./client PORT [TRADES]
 *
 * profitsim.h has the structs and the callbacks; the functions are declared here, as the interface gives them. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profitsim.h"

#ifdef _WIN32
#include <windows.h>
static void sleep_ms(unsigned ms) { Sleep(ms); }
#define IMPORT __declspec(dllimport)
#else
#include <time.h>
static void sleep_ms(unsigned ms) {
    struct timespec wait = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&wait, NULL);
}
#define IMPORT
#endif

IMPORT int32_t CALL SetServerAndPort(const wchar_t *host, const wchar_t *port);
IMPORT int32_t CALL DLLInitializeLogin(const wchar_t *key, const wchar_t *user, const wchar_t *password, StateCallback,
                                       void *history, void *order_change, void *account, void *trade, void *daily,
                                       void *price_book, void *offer_book, void *history_trade, ProgressCallback,
                                       void *tiny_book);
IMPORT int32_t CALL DLLFinalize(void);
IMPORT int32_t CALL SetTradeCallbackV2(TradeCallback);
IMPORT int32_t CALL SetPriceDepthCallback(DepthCallback);
IMPORT int32_t CALL SetOrderCallback(OrderCallback);
IMPORT int32_t CALL SubscribeTicker(const wchar_t *ticker, const wchar_t *exchange);
IMPORT int32_t CALL SubscribePriceDepth(const TConnectorAssetIdentifier *);
IMPORT int32_t CALL TranslateTrade(uintptr_t trade, TConnectorTrade *);
IMPORT int32_t CALL GetPriceGroup(const TConnectorAssetIdentifier *, uint8_t side, int32_t position, TConnectorPriceGroup *);
IMPORT int64_t CALL SendOrder(const TConnectorSendOrder *);
IMPORT int32_t CALL GetOrderDetails(TConnectorOrderOut *);

enum { LIMIT_MS = 30000, FILLED = 2, CANCELED = 4, REJECTED = 8, ROUTING_READY = 5, EDITED = 1 };

/* What callbacks leave for the main thread. They run on the DLL's own thread: copy, and leave. */
static atomic_int states[4] = {-1, -1, -1, -1};
static atomic_int trades_wanted, trades_seen, books_seen, orders_seen;

static void CALL on_state(int32_t type, int32_t value) {
    if (type >= 0 && type < 4) atomic_store(&states[type], value);
}

static void CALL on_trade(const TConnectorAssetIdentifier *asset, uintptr_t opaque, uint32_t flags) {
    TConnectorTrade trade = {0}; /* the pointer is good only here */
    if ((flags & EDITED) != 0 || TranslateTrade(opaque, &trade) != NL_OK) return;
    if (atomic_load(&trades_seen) >= atomic_load(&trades_wanted)) return;
    printf("trade %ls %" PRId64 " at %.1f, type %u\n", asset->ticker, trade.quantity, trade.price, trade.trade_type);
    atomic_fetch_add(&trades_seen, 1);
}

static void CALL on_depth(const TConnectorAssetIdentifier *asset, uint8_t side, int32_t position, uint8_t update) {
    (void)side, (void)position;
    if (update != DEPTH_FLUSH) return; /* notices come in groups; after the last one the book is whole */
    TConnectorPriceGroup bid = {0}, ask = {0};
    if (GetPriceGroup(asset, BOOK_BUY, 0, &bid) != NL_OK || GetPriceGroup(asset, BOOK_SELL, 0, &ask) != NL_OK) return;
    if (atomic_fetch_add(&books_seen, 1) == 0) printf("best %.1f / %.1f\n", bid.price, ask.price);
}

static void CALL on_order(const TConnectorOrderIdentifier *id) {
    (void)id; /* its details are asked for outside of the callback */
    atomic_fetch_add(&orders_seen, 1);
}

static void check(const char *what, int32_t code) {
    if (code == NL_OK) return;
    fprintf(stderr, "%s answered 0x%08x\n", what, (unsigned)code);
    exit(1);
}

/* Until there are so many; the program ends when they do not come. */
static void wait_for(const char *what, atomic_int *count, int wanted) {
    for (int waited = 0; atomic_load(count) < wanted; waited += 5) {
        if (waited >= LIMIT_MS) {
            fprintf(stderr, "waited too long for %s\n", what);
            exit(1);
        }
        sleep_ms(5);
    }
}

static void log_in(const wchar_t *port) {
    check("SetServerAndPort", SetServerAndPort(L"127.0.0.1", port)); /* the simulator only */
    check("DLLInitializeLogin", DLLInitializeLogin(L"any-key", L"any-user", L"paper", on_state, NULL, NULL, NULL, NULL, NULL,
                                                   NULL, NULL, NULL, NULL, NULL));
    check("SetTradeCallbackV2", SetTradeCallbackV2(on_trade));
    check("SetPriceDepthCallback", SetPriceDepthCallback(on_depth));
    check("SetOrderCallback", SetOrderCallback(on_order));
    for (int waited = 0; atomic_load(&states[STATE_MARKET]) != MARKET_CONNECTED ||
                         atomic_load(&states[STATE_ROUTING]) != ROUTING_READY ||
                         atomic_load(&states[STATE_ACTIVATION]) != 0;
         waited += 5) {
        if (atomic_load(&states[STATE_LOGIN]) > 0 || waited >= LIMIT_MS) {
            fprintf(stderr, "not connected, login state %d\n", atomic_load(&states[STATE_LOGIN]));
            exit(1);
        }
        sleep_ms(5);
    }
    printf("connected\n");
}

/* Waits for the end of an order and tells each step. */
static int follow(int64_t number) {
    int seen = 0, last = -1;
    for (;;) {
        wait_for("a report of the order", &orders_seen, seen + 1);
        seen = atomic_load(&orders_seen);
        TConnectorOrderOut order = {.version = 0, .order_id = {0, number, NULL}};
        check("GetOrderDetails", GetOrderDetails(&order));
        if (order.status != last)
            printf("order %" PRId64 ": status %u, %" PRId64 " of %" PRId64 "\n", number, order.status, order.traded_quantity,
                   order.quantity);
        last = order.status;
        if (last == FILLED) {
            printf("filled at %.1f\n", order.average_price);
            return 0;
        }
        if (last == CANCELED || last == REJECTED) return 1;
    }
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: %s PORT [TRADES]\n", arguments[0]);
        return 2;
    }
    wchar_t port[8] = {0};
    for (size_t i = 0; i < 7 && arguments[1][i] != 0; i++) port[i] = (wchar_t)arguments[1][i];
    atomic_store(&trades_wanted, count > 2 ? atoi(arguments[2]) : 5);
    log_in(port);
    TConnectorAssetIdentifier asset = {0, L"WDOFUT", L"F", 0};
    check("SubscribeTicker", SubscribeTicker(asset.ticker, asset.exchange));
    check("SubscribePriceDepth", SubscribePriceDepth(&asset));
    wait_for("a book", &books_seen, 1);
    wait_for("trades", &trades_seen, atomic_load(&trades_wanted));
    TConnectorSendOrder order = {.version = 1,
                                 .account = {0, 0, L"paper", L"", 0},
                                 .asset = asset,
                                 .password = L"paper",
                                 .order_type = TYPE_MARKET,
                                 .side = SIDE_BUY,
                                 .price = -1,
                                 .stop_price = -1,
                                 .quantity = 1};
    int64_t number = SendOrder(&order);
    if (number < 0) check("SendOrder", (int32_t)number);
    int result = follow(number);
    SetTradeCallbackV2(NULL);
    SetPriceDepthCallback(NULL);
    SetOrderCallback(NULL);
    check("DLLFinalize", DLLFinalize());
    return result;
}
