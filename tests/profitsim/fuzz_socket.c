/* Fuzzes what the simulated library reads from its socket: the bytes of an input are what an exchange sent.
 *
 * One input is one session on one thread, without a socket: the harness plays the ConnectorThread, feeds the bytes in pieces,
 * and a client that does in its callbacks and between the pieces everything a client may do. Input:
 *
 *   byte 0    bit 0: the rest is raw bytes of the wire; else it is "type, body" pairs that are framed here, so that a
 *             mutation reaches the handlers and not only the checks of the header
 *             bit 1: a login with routing; bits 2..7: size of the pieces
 *
 * With libFuzzer this file is the target. With any other compiler fuzz_main.c drives the same function. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

typedef struct {
    uint64_t callbacks, details, levels, trades, enumerated, offers;
} tally_t;
static tally_t tally;
static volatile uint64_t sink; /* so that no read is optimised away */

/* the exports of the library that the header does not declare: clients load them by name */
int32_t CALL SetTradeCallbackV2(TradeCallback);
int32_t CALL SetHistoryTradeCallbackV2(TradeCallback);
int32_t CALL SetPriceDepthCallback(DepthCallback);
int32_t CALL SetOrderCallback(OrderCallback);
int32_t CALL SetOfferBookCallbackV2(OfferBookCallback);
int32_t CALL FreePointer(void *, int32_t);
int32_t CALL SubscribeOfferBook(const wchar_t *, const wchar_t *);
int32_t CALL SetOrderHistoryCallback(AccountCallback);
int32_t CALL SetSerieProgressCallback(ProgressCallback);
int32_t CALL SetChangeStateTickerCallback(TickerStateCallback);
int32_t CALL SetInvalidTickerCallback(AssetCallback);
int32_t CALL SetAssetPositionListCallback(PositionCallback);
int32_t CALL SetBrokerAccountListChangedCallback(AccountListCallback);
int32_t CALL SetStateCallback(StateCallback);
int32_t CALL SetDailyCallback(DailyCallback);
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
int32_t CALL SubscribeTicker(const wchar_t *, const wchar_t *);
int32_t CALL SubscribePriceDepth(const TConnectorAssetIdentifier *);
int32_t CALL GetHistoryTrades(const wchar_t *, const wchar_t *, const wchar_t *, const wchar_t *);
int32_t CALL GetServerClock(double *, int32_t *, int32_t *, int32_t *, int32_t *, int32_t *, int32_t *, int32_t *);
int64_t CALL SendOrder(const TConnectorSendOrder *);
int32_t CALL SendCancelOrderV2(const TConnectorCancelOrder *);

/* a client that reads all it is given: a text without its end, or one that is gone, is found here */
static void read_text(const wchar_t *text) {
    for (; text != NULL && *text != 0; text++) {
        uint32_t point = (uint32_t)*text;
        if (sizeof(wchar_t) == 4 && (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))) abort(); /* no character */
        sink += point;
    }
}

static void read_details(const TConnectorOrderIdentifier *id) {
    wchar_t ticker[64], exchange[64], text[256];
    TConnectorOrderOut out = {.version = 1, .order_id = *id};
    if (GetOrderDetails(&out) != NL_OK) return;
    if (out.asset.ticker_length > 63 || out.asset.exchange_length > 63 || out.text_message_length > 255) abort();
    out.asset.ticker = ticker, out.asset.exchange = exchange, out.text_message = text;
    if (GetOrderDetails(&out) != NL_OK) return;
    read_text(out.order_id.cl_order_id);
    tally.details++;
}

static void CALL on_state(int32_t type, int32_t value) {
    sink += (uint64_t)type + (uint64_t)value;
    tally.callbacks++;
}

static void CALL on_trade_callback(const TConnectorAssetIdentifier *asset, uintptr_t trade, uint32_t flags) {
    TConnectorTrade out = {0};
    (void)flags;
    if (TranslateTrade(trade, &out) != NL_OK) abort();
    if (TranslateTrade(trade + 1, &out) == NL_OK) abort(); /* not a trade */
    read_text(asset->ticker);
    tally.trades++;
}

static void CALL on_depth(const TConnectorAssetIdentifier *asset, uint8_t side, int32_t position, uint8_t update) {
    double price;
    int64_t quantity;
    for (uint8_t each = BOOK_BUY; each <= BOOK_SELL; each++) {
        int32_t count = GetPriceDepthSideCount(asset, each);
        if (count < 0 || count > WIRE_LEVELS) abort();
        for (int32_t i = -1; i <= count; i++) {
            TConnectorPriceGroup group = {0};
            bool found = GetPriceGroup(asset, each, i, &group) == NL_OK;
            if (found != (i >= 0 && i < count)) abort();
            tally.levels += found;
        }
    }
    if (GetTheoreticalValues(asset, &price, &quantity) != NL_OK) abort();
    sink += (uint64_t)side + (uint64_t)position + update;
    tally.callbacks++;
}

/* every offer of an array as the interface packs them, and the flags after the last one */
static void read_offers(uint8_t *array) {
    if (array == NULL) return;
    int32_t count, bytes;
    memcpy(&count, array, 4);
    memcpy(&bytes, array + 4, 4);
    const uint8_t *at = array + 8;
    for (int32_t i = 0; i < count; i++) {
        uint16_t date_length;
        memcpy(&date_length, at + 28, 2);
        for (int32_t k = 0; k < 30 + date_length; k++) sink += at[k];
        at += 30 + date_length;
    }
    if (at + 4 != array + bytes) abort();
    sink += at[0];
    if (FreePointer(array, bytes) != NL_OK || FreePointer(array, bytes) == NL_OK) abort();
}

static void CALL on_offers(const TAssetIDRec *asset, int32_t action, int32_t position, int32_t side, int64_t quantity,
                           int32_t agent, int64_t offer_id, double price, uint8_t has_price, uint8_t has_quantity,
                           uint8_t has_date, uint8_t has_offer_id, uint8_t has_agent, const wchar_t *date, uint8_t *sell,
                           uint8_t *buy) {
    (void)price, (void)has_price, (void)has_quantity, (void)has_date, (void)has_offer_id, (void)has_agent;
    sink += (uint64_t)action + (uint64_t)position + (uint64_t)side + (uint64_t)quantity + (uint64_t)agent + (uint64_t)offer_id;
    read_text(asset->ticker);
    read_text(date);
    read_offers(sell);
    read_offers(buy);
    tally.offers++;
}

static void CALL on_order_callback(const TConnectorOrderIdentifier *id) {
    read_text(id->cl_order_id);
    read_details(id);
    tally.callbacks++;
}

static void CALL on_account_callback(const TConnectorAccountIdentifier *id) {
    read_text(id->account_id);
    read_text(id->sub_account_id);
    tally.callbacks++;
}

static void CALL on_progress(const TAssetIDRec *asset, int32_t percent) {
    if (percent < 1 || percent > 100) abort();
    read_text(asset->ticker);
    tally.callbacks++;
}

static void CALL on_ticker(const TAssetIDRec *asset, const wchar_t *date, int32_t state) {
    read_text(asset->ticker);
    read_text(date);
    sink += (uint64_t)state;
    tally.callbacks++;
}

static void CALL on_daily_callback(const TAssetIDRec *asset, const wchar_t *date, double open, double high, double low,
                                   double close, double volume, double adjust, double max_limit, double min_limit,
                                   double volume_buyer, double volume_seller, int32_t quantity, int32_t trades,
                                   int32_t open_contracts, int32_t quantity_buyer, int32_t quantity_seller,
                                   int32_t trades_buyer, int32_t trades_seller) {
    (void)open, (void)high, (void)low, (void)close, (void)volume, (void)adjust, (void)max_limit, (void)min_limit;
    (void)volume_buyer, (void)volume_seller, (void)open_contracts;
    read_text(asset->ticker);
    read_text(date);
    sink += (uint64_t)quantity + (uint64_t)trades + (uint64_t)quantity_buyer + (uint64_t)quantity_seller;
    sink += (uint64_t)trades_buyer + (uint64_t)trades_seller;
    tally.callbacks++;
}

static void CALL on_invalid(const TConnectorAssetIdentifier *asset) {
    read_text(asset->ticker);
    tally.callbacks++;
}

static void CALL on_position_callback(const TConnectorAccountIdentifier *id, const TConnectorAssetIdentifier *asset,
                                      int64_t event) {
    read_text(id->account_id);
    read_text(asset->ticker);
    sink += (uint64_t)event;
    tally.callbacks++;
}

static void CALL on_account_list(int32_t broker, uint32_t changed) {
    sink += (uint64_t)broker + changed;
    tally.callbacks++;
}

static int32_t CALL each_order(const TConnectorOrder *order, intptr_t param) {
    (void)param;
    read_text(order->text_message);
    read_text(order->asset.ticker);
    return ++tally.enumerated % 7 != 0; /* now and then it has seen enough */
}

static int32_t CALL each_asset(const TConnectorAssetIdentifier *asset, intptr_t param) {
    (void)param;
    read_text(asset->ticker);
    tally.enumerated++;
    return 1;
}

/* what a client asks on its own thread */
static void ask(void) {
    on_connector = false;
    static TConnectorAccountIdentifierOut accounts[MAX_ACCOUNTS];
    int32_t date[7];
    double day;
    GetServerClock(&day, &date[0], &date[1], &date[2], &date[3], &date[4], &date[5], &date[6]);
    int32_t count = GetAccountCount() > 0 ? GetAccounts(0, 0, MAX_ACCOUNTS, accounts) : 0;
    int32_t instruments = atomic_load(&sim.instrument_count);
    for (int32_t i = 0; i < instruments; i++) {
        const instrument_t *each = &sim.instruments[i];
        SubscribeTicker(each->ticker, each->exchange);
        SubscribePriceDepth(&each->asset);
        if (i % 2 == 0) SubscribeOfferBook(each->ticker, each->exchange);
        if (i == 0) GetHistoryTrades(each->ticker, each->exchange, L"24/11/2025 10:00:00", L"24/11/2025 12:00:00");
    }
    SubscribeTicker(L"NOSUCH", L"F");
    for (int32_t i = 0; i < count; i++) {
        TConnectorAccountIdentifier id = {0, accounts[i].broker_id, accounts[i].account_id, accounts[i].sub_account_id, 0};
        wchar_t names[3][128];
        TConnectorTradingAccountOut about = {.version = 1, .account = id};
        if (GetAccountDetails(&about) == NL_OK) {
            if (about.broker_name_length > 127 || about.owner_name_length > 127) abort();
            about.broker_name = names[0], about.owner_name = names[1], about.sub_owner_name = names[2];
            GetAccountDetails(&about);
        }
        EnumerateAllOrders(&id, 1, 0, each_order);
        EnumerateAllPositionAssets(&id, 0, 0, each_asset);
        if (instruments == 0) continue;
        TConnectorTradingAccountPosition position = {.version = 2, .account = id, .asset = sim.instruments[0].asset};
        GetPositionV2(&position);
        TConnectorSendOrder order = {.version = 2, .account = id, .asset = sim.instruments[0].asset, .password = L"p",
                                     .order_type = TYPE_LIMIT, .side = SIDE_BUY, .price = 1, .stop_price = -1, .quantity = 1};
        TConnectorOrderIdentifier sent = {0, SendOrder(&order), NULL};
        TConnectorCancelOrder cancel = {.version = 0, .account = id, .order_id = sent, .password = L"p"};
        SendCancelOrderV2(&cancel);
    }
    on_connector = true;
}

static bool subscribed;

/* false: the library gave the connection up */
static bool feed(const uint8_t *data, size_t size, size_t piece) {
    for (size_t at = 0; at < size;) {
        uint32_t room;
        uint8_t *where = wire_room(&room);
        if (room == 0) abort(); /* nothing could ever come again */
        size_t part = size - at < piece ? size - at : piece;
        if (part > room) part = room;
        memcpy(where, data + at, part);
        at += part;
        if (!wire_received((uint32_t)part)) return false;
        run_notices();
        if (atomic_load(&sim.connected) && !subscribed) {
            subscribed = true;
            ask(); /* from here on the market may tell us something */
        }
    }
    return true;
}

static bool feed_framed(const uint8_t *data, size_t size, size_t piece) {
    uint8_t frame[sizeof(wire_header) + sizeof(wire_book)];
    for (size_t at = 0, number = 0; at < size; number++) {
        uint16_t type = WIRE_LOGIN_REPLY + data[at++] % 32;
        size_t body = wire_body_size(type);
        if (body == 0) continue;
        wire_header header = {(uint32_t)(sizeof header + body), type, WIRE_VERSION};
        size_t there = size - at < body ? size - at : body;
        memset(frame, 0, sizeof frame);
        memcpy(frame, &header, sizeof header);
        memcpy(frame + sizeof header, data + at, there);
        at += there;
        if (!feed(frame, header.length, piece)) return false;
        if (number % 8 == 3) ask();
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool registered;
    if (!registered) {
        SetStateCallback(on_state);
        SetTradeCallbackV2(on_trade_callback);
        SetHistoryTradeCallbackV2(on_trade_callback);
        SetPriceDepthCallback(on_depth);
        SetOrderCallback(on_order_callback);
        SetOfferBookCallbackV2(on_offers);
        SetOrderHistoryCallback(on_account_callback);
        SetSerieProgressCallback(on_progress);
        SetChangeStateTickerCallback(on_ticker);
        SetInvalidTickerCallback(on_invalid);
        SetDailyCallback(on_daily_callback);
        SetAssetPositionListCallback(on_position_callback);
        SetBrokerAccountListChangedCallback(on_account_list);
        registered = true;
    }
    if (size < 2) return 0;
    session_reset();
    wire_reset();
    on_connector = true;
    subscribed = false;
    sim.full = data[0] >> 1 & 1;
    atomic_store(&sim.running, true);
    size_t piece = 1 + (size_t)(data[0] >> 2) * 64;
    bool raw = data[0] & 1;
    if (raw ? feed(data + 1, size - 1, piece) : feed_framed(data + 1, size - 1, piece)) ask();
    atomic_store(&sim.running, false);
    on_connector = false;
    return 0;
}

/* For the driver's last line: that the inputs reached the handlers at all. */
void fuzz_reached(uint64_t out[6]) { memcpy(out, &tally, sizeof tally); }
