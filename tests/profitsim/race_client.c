/* A client that asks everything from three threads at once while callbacks run: for ThreadSanitizer.
 *
 *   race_client PORT        ends when it is told state (99, 0), which only a test's exchange sends; 0: all went well */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "profitsim.h"

int32_t CALL SetServerAndPort(const wchar_t *, const wchar_t *);
int32_t CALL DLLInitializeLogin(const wchar_t *, const wchar_t *, const wchar_t *, StateCallback, void *, void *, void *,
                                void *, void *, void *, void *, void *, ProgressCallback, void *);
int32_t CALL DLLFinalize(void);
int32_t CALL SetTradeCallbackV2(TradeCallback);
int32_t CALL SetPriceDepthCallback(DepthCallback);
int32_t CALL SetOrderCallback(OrderCallback);
int32_t CALL SetOfferBookCallbackV2(OfferBookCallback);
int32_t CALL FreePointer(void *, int32_t);
int32_t CALL SubscribeTicker(const wchar_t *, const wchar_t *);
int32_t CALL SubscribeOfferBook(const wchar_t *, const wchar_t *);
int32_t CALL SubscribePriceDepth(const TConnectorAssetIdentifier *);
int32_t CALL TranslateTrade(uintptr_t, TConnectorTrade *);
int32_t CALL GetPriceGroup(const TConnectorAssetIdentifier *, uint8_t, int32_t, TConnectorPriceGroup *);
int32_t CALL GetPriceDepthSideCount(const TConnectorAssetIdentifier *, uint8_t);
int32_t CALL GetTheoreticalValues(const TConnectorAssetIdentifier *, double *, int64_t *);
int32_t CALL GetOrderDetails(TConnectorOrderOut *);
int32_t CALL GetAccountCount(void);
int32_t CALL GetAccounts(int32_t, int32_t, int32_t, TConnectorAccountIdentifierOut *);
int32_t CALL GetAccountDetails(TConnectorTradingAccountOut *);
int32_t CALL GetPositionV2(TConnectorTradingAccountPosition *);
int32_t CALL EnumerateAllOrders(const TConnectorAccountIdentifier *, uint8_t, intptr_t, EnumerateOrderProc);
int32_t CALL EnumerateAllPositionAssets(const TConnectorAccountIdentifier *, uint8_t, intptr_t, EnumerateAssetProc);
int32_t CALL GetHistoryTrades(const wchar_t *, const wchar_t *, const wchar_t *, const wchar_t *);
int32_t CALL GetServerClock(double *, int32_t *, int32_t *, int32_t *, int32_t *, int32_t *, int32_t *, int32_t *);
int64_t CALL SendOrder(const TConnectorSendOrder *);

static const TConnectorAssetIdentifier ASSET = {0, L"WDOFUT", L"F", 0};
static const TConnectorAccountIdentifier WHO = {0, 7, L"12345", L"", 0};
static atomic_bool over, connected;
static atomic_uint trades, groups, details, enumerated, arrays;

static void CALL on_state(int32_t type, int32_t value) {
    if (type == STATE_MARKET && value == MARKET_CONNECTED) atomic_store(&connected, true);
    if (type == 99) atomic_store(&over, true);
}

static void CALL on_trade(const TConnectorAssetIdentifier *asset, uintptr_t opaque, uint32_t flags) {
    (void)asset, (void)flags;
    TConnectorTrade trade = {0};
    atomic_fetch_add(&trades, TranslateTrade(opaque, &trade) == NL_OK);
}

static void CALL on_depth(const TConnectorAssetIdentifier *asset, uint8_t side, int32_t position, uint8_t update) {
    (void)side, (void)position, (void)update;
    TConnectorPriceGroup group = {0};
    atomic_fetch_add(&groups, GetPriceGroup(asset, 0, 0, &group) == NL_OK);
}

static void CALL on_offers(const TAssetIDRec *asset, int32_t action, int32_t position, int32_t side, int64_t quantity,
                           int32_t agent, int64_t offer_id, double price, uint8_t has_price, uint8_t has_quantity,
                           uint8_t has_date, uint8_t has_offer_id, uint8_t has_agent, const wchar_t *date, uint8_t *sell,
                           uint8_t *buy) {
    (void)asset, (void)action, (void)position, (void)side, (void)quantity, (void)agent, (void)offer_id, (void)price, (void)date;
    (void)has_price, (void)has_quantity, (void)has_date, (void)has_offer_id, (void)has_agent;
    if (sell != NULL) atomic_fetch_add(&arrays, FreePointer(sell, 0) == NL_OK);
    if (buy != NULL) atomic_fetch_add(&arrays, FreePointer(buy, 0) == NL_OK);
}

static void CALL on_order(const TConnectorOrderIdentifier *id) {
    TConnectorOrderOut out = {.version = 1, .order_id = *id};
    atomic_fetch_add(&details, GetOrderDetails(&out) == NL_OK);
}

static int32_t CALL each_order(const TConnectorOrder *order, intptr_t param) {
    (void)order, (void)param;
    atomic_fetch_add(&enumerated, 1);
    return 1;
}

static int32_t CALL each_asset(const TConnectorAssetIdentifier *asset, intptr_t param) {
    (void)asset, (void)param;
    return 1;
}

static void *ask_market(void *unused) {
    (void)unused;
    while (!atomic_load(&over)) {
        TConnectorPriceGroup group = {0};
        double price, day;
        int64_t quantity;
        int32_t d[7];
        for (int32_t i = 0; i < GetPriceDepthSideCount(&ASSET, 1); i++) GetPriceGroup(&ASSET, 1, i, &group);
        GetTheoreticalValues(&ASSET, &price, &quantity);
        GetServerClock(&day, &d[0], &d[1], &d[2], &d[3], &d[4], &d[5], &d[6]);
        SubscribeTicker(ASSET.ticker, ASSET.exchange);
        SubscribePriceDepth(&ASSET);
        SubscribeOfferBook(ASSET.ticker, ASSET.exchange);
        SubscribeTicker(L"NOSUCH", L"F");
        GetHistoryTrades(ASSET.ticker, ASSET.exchange, L"24/11/2025 10:00:00", L"24/11/2025 12:00:00");
    }
    return NULL;
}

static void *ask_account(void *unused) {
    (void)unused;
    TConnectorAccountIdentifierOut *accounts = calloc(16, sizeof *accounts);
    while (accounts != NULL && !atomic_load(&over)) {
        TConnectorTradingAccountOut about = {.version = 1, .account = WHO};
        TConnectorTradingAccountPosition position = {.version = 2, .account = WHO, .asset = ASSET};
        if (GetAccountCount() > 0) GetAccounts(0, 0, 16, accounts);
        GetAccountDetails(&about);
        GetPositionV2(&position);
        EnumerateAllOrders(&WHO, 1, 0, each_order);
        EnumerateAllPositionAssets(&WHO, 0, 0, each_asset);
    }
    free(accounts);
    return NULL;
}

static void *send_orders(void *unused) {
    (void)unused;
    for (int i = 0; i < 200 && !atomic_load(&over); i++) {
        TConnectorSendOrder order = {.version = 2, .account = WHO, .asset = ASSET, .password = L"p", .order_type = TYPE_LIMIT,
                                     .side = SIDE_BUY, .price = 5400, .stop_price = -1, .quantity = 1};
        TConnectorOrderOut out = {.version = 1, .order_id = {0, SendOrder(&order), NULL}};
        if (out.order_id.local_order_id > 0) GetOrderDetails(&out);
    }
    return NULL;
}

int main(int count, char **arguments) {
    wchar_t port[8] = {0};
    for (size_t i = 0; count > 1 && i < 7 && arguments[1][i] != 0; i++) port[i] = (wchar_t)arguments[1][i];
    if (SetServerAndPort(L"127.0.0.1", port) != NL_OK) return 2;
    if (DLLInitializeLogin(L"k", L"u", L"p", on_state, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) != NL_OK)
        return 2;
    SetTradeCallbackV2(on_trade);
    SetPriceDepthCallback(on_depth);
    SetOrderCallback(on_order);
    SetOfferBookCallbackV2(on_offers);
    while (!atomic_load(&connected) && !atomic_load(&over)) {}
    pthread_t threads[3];
    void *(*const bodies[3])(void *) = {ask_market, ask_account, send_orders};
    for (int i = 0; i < 3; i++)
        if (pthread_create(&threads[i], NULL, bodies[i], NULL) != 0) return 2;
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    if (DLLFinalize() != NL_OK) return 2;
    printf("trades %u groups %u details %u enumerated %u arrays %u\n", atomic_load(&trades), atomic_load(&groups),
           atomic_load(&details), atomic_load(&enumerated), atomic_load(&arrays));
    return 0;
}
