/* The public binary interface of ProfitDLL, lowered: structs that the vendor passes by value are passed by pointer,
 * which on Win64 is the same instruction sequence. profitdll/structs.py and profitdll/prototypes.py say the same in
 * ctypes, and tests hold the two against each other. Nothing of the simulation stands here.
 *
 * Strings are wchar_t: UTF-16 on Windows, 4 bytes on Linux. Structs have natural alignment unless packed is said. */
#ifndef PROFITSIM_H
#define PROFITSIM_H

#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

#ifdef _WIN32
#define API __declspec(dllexport)
#define CALL __stdcall /* on x86-64 the word means nothing: there is one convention */
#else
#define API __attribute__((visibility("default")))
#define CALL
#endif

/* return codes: 0, or 0x80000001 + n as a negative number */
enum {
    NL_OK = 0,
    NL_INTERNAL_ERROR = INT32_MIN + 1,
    NL_NOT_INITIALIZED,
    NL_INVALID_ARGS,
    NL_WAITING_SERVER,
    NL_NO_LOGIN,
    NL_NO_LICENSE,
    NL_PASSWORD_HASH_SHA1,
    NL_PASSWORD_HASH_MD5,
    NL_OUT_OF_RANGE,
    NL_MARKET_ONLY,
    NL_NO_POSITION,
    NL_NOT_FOUND,
    NL_VERSION_NOT_SUPPORTED,
    NL_ASSET_NO_DATA = INT32_MIN + 21,
    NL_DUPLICATE_RESOURCE = INT32_MIN + 26,
    NL_INVALID_TICKER = INT32_MIN + 31
};

enum { STATE_LOGIN = 0, STATE_ROUTING = 1, STATE_MARKET = 2, STATE_ACTIVATION = 3 };
enum { LOGIN_CONNECTED = 0, LOGIN_UNKNOWN = 200 };
enum { ROUTING_DISCONNECTED = 0, ROUTING_CONNECTED = 2, ROUTING_BROKER_CONNECTED = 5 };
enum { MARKET_DISCONNECTED = 0, MARKET_CONNECTING = 1, MARKET_CONNECTED = 4 };
enum { SIDE_BUY = 1, SIDE_SELL = 2 };
enum { BOOK_BUY = 0, BOOK_SELL = 1, BOOK_BOTH = 254, BOOK_NONE = 255 };
enum {
    DEPTH_EDIT = 1,
    DEPTH_DELETE = 2,
    DEPTH_INSERT = 3,
    DEPTH_FULL = 4,
    DEPTH_PREPARE = 5,
    DEPTH_FLUSH = 6,
    DEPTH_THEORETICAL = 7
};
enum { GROUP_THEORETICAL = 1 };
enum { TYPE_MARKET = 1, TYPE_LIMIT = 2, TYPE_STOP_LIMIT = 4 };
enum { STATUS_CLIENT_CREATED = 203 };

typedef struct {
    uint16_t year, month, day_of_week, day, hour, minute, second, millisecond;
} SystemTime;

#pragma pack(push, 1)
typedef struct {
    const wchar_t *ticker;
    const wchar_t *exchange;
    int32_t feed;
} TAssetIDRec;
#pragma pack(pop)

typedef struct {
    uint8_t version;
    const wchar_t *ticker;
    const wchar_t *exchange;
    uint8_t feed_type;
} TConnectorAssetIdentifier;

typedef struct {
    uint8_t version;
    wchar_t *ticker;
    int32_t ticker_length;
    wchar_t *exchange;
    int32_t exchange_length;
    uint8_t feed_type;
} TConnectorAssetIdentifierOut;

typedef struct {
    uint8_t version;
    int32_t broker_id;
    const wchar_t *account_id;
    const wchar_t *sub_account_id;
    int64_t reserved;
} TConnectorAccountIdentifier;

typedef struct {
    uint8_t version;
    int32_t broker_id;
    wchar_t account_id[100];
    int32_t account_id_length;
    wchar_t sub_account_id[100];
    int32_t sub_account_id_length;
    int64_t reserved;
} TConnectorAccountIdentifierOut;

typedef struct {
    uint8_t version;
    int64_t local_order_id;
    const wchar_t *cl_order_id;
} TConnectorOrderIdentifier;

typedef struct {
    uint8_t version;
    SystemTime trade_date;
    uint32_t trade_number;
    double price;
    int64_t quantity;
    double volume;
    int32_t buy_agent;
    int32_t sell_agent;
    uint8_t trade_type;
} TConnectorTrade;

typedef struct {
    uint8_t version;
    double price;
    uint32_t count;
    int64_t quantity;
    uint32_t flags;
} TConnectorPriceGroup;

typedef struct {
    uint8_t version;
    TConnectorAccountIdentifier account;
    TConnectorAssetIdentifier asset;
    const wchar_t *password;
    uint8_t order_type;
    uint8_t side;
    double price;
    double stop_price;
    int64_t quantity;
    int64_t message_id; /* version 2 */
} TConnectorSendOrder;

typedef struct {
    uint8_t version;
    TConnectorAccountIdentifier account;
    TConnectorOrderIdentifier order_id;
    const wchar_t *password;
    double price;
    double stop_price;
    int64_t quantity;
    int64_t message_id; /* version 1 */
} TConnectorChangeOrder;

typedef struct {
    uint8_t version;
    TConnectorAccountIdentifier account;
    TConnectorOrderIdentifier order_id;
    const wchar_t *password;
} TConnectorCancelOrder;

typedef struct {
    uint8_t version;
    TConnectorAccountIdentifier account;
    TConnectorAssetIdentifier asset;
    const wchar_t *password;
} TConnectorCancelOrders;

typedef struct {
    uint8_t version;
    TConnectorAccountIdentifier account;
    const wchar_t *password;
} TConnectorCancelAllOrders;

typedef struct {
    uint8_t version;
    TConnectorAccountIdentifier account;
    TConnectorAssetIdentifier asset;
    const wchar_t *password;
    double price;
    uint8_t position_type;
} TConnectorZeroPosition;

typedef struct {
    uint8_t version;
    TConnectorAccountIdentifier account;
    wchar_t *broker_name;
    int32_t broker_name_length;
    wchar_t *owner_name;
    int32_t owner_name_length;
    wchar_t *sub_owner_name;
    int32_t sub_owner_name_length;
    uint32_t account_flags;
    uint8_t account_type; /* version 1 */
} TConnectorTradingAccountOut;

typedef struct {
    uint8_t version;
    TConnectorAccountIdentifier account;
    TConnectorAssetIdentifier asset;
    int64_t open_quantity;
    double open_average_price;
    uint8_t open_side;
    double daily_average_sell_price;
    int64_t daily_sell_quantity;
    double daily_average_buy_price;
    int64_t daily_buy_quantity;
    int64_t d1, d2, d3, blocked, pending, alloc, provision, quantity, available;
    uint8_t position_type; /* version 1 */
    int64_t event_id;      /* version 2 */
} TConnectorTradingAccountPosition;

typedef struct {
    uint8_t version;
    TConnectorOrderIdentifier order_id;
    TConnectorAccountIdentifier account;
    TConnectorAssetIdentifier asset;
    int64_t quantity, traded_quantity, leaves_quantity;
    double price, stop_price, average_price;
    uint8_t side, order_type, status, validity;
    SystemTime date, last_update, close_date, validity_date;
    const wchar_t *text_message;
    int64_t event_id; /* version 1 */
} TConnectorOrder;

typedef struct {
    uint8_t version;
    TConnectorOrderIdentifier order_id;
    TConnectorAccountIdentifierOut account;
    TConnectorAssetIdentifierOut asset;
    int64_t quantity, traded_quantity, leaves_quantity;
    double price, stop_price, average_price;
    uint8_t side, order_type, status, validity;
    SystemTime date, last_update, close_date, validity_date;
    wchar_t *text_message;
    int32_t text_message_length;
    int64_t event_id; /* version 1 */
} TConnectorOrderOut;

typedef void(CALL *StateCallback)(int32_t type, int32_t value);
typedef void(CALL *TradeCallback)(const TConnectorAssetIdentifier *, uintptr_t trade, uint32_t flags);
typedef void(CALL *DepthCallback)(const TConnectorAssetIdentifier *, uint8_t side, int32_t position, uint8_t update);
typedef void(CALL *OfferBookCallback)(const TAssetIDRec *, int32_t action, int32_t position, int32_t side,
                                      int64_t quantity, int32_t agent, int64_t offer_id, double price,
                                      uint8_t has_price, uint8_t has_quantity, uint8_t has_date, uint8_t has_offer_id,
                                      uint8_t has_agent, const wchar_t *date, uint8_t *sell, uint8_t *buy);
typedef void(CALL *OrderCallback)(const TConnectorOrderIdentifier *);
typedef void(CALL *AccountCallback)(const TConnectorAccountIdentifier *);
typedef void(CALL *DailyCallback)(const TAssetIDRec *, const wchar_t *date, double open, double high, double low,
                                  double close, double volume, double adjust, double max_limit, double min_limit,
                                  double volume_buyer, double volume_seller, int32_t quantity, int32_t trades,
                                  int32_t open_contracts, int32_t quantity_buyer, int32_t quantity_seller,
                                  int32_t trades_buyer, int32_t trades_seller);
typedef void(CALL *ProgressCallback)(const TAssetIDRec *, int32_t percent);
typedef void(CALL *TickerStateCallback)(const TAssetIDRec *, const wchar_t *date, int32_t state);
typedef void(CALL *AssetCallback)(const TConnectorAssetIdentifier *);
typedef void(CALL *PositionCallback)(const TConnectorAccountIdentifier *, const TConnectorAssetIdentifier *,
                                     int64_t event);
typedef void(CALL *AccountListCallback)(int32_t broker, uint32_t changed);
typedef int32_t(CALL *EnumerateOrderProc)(const TConnectorOrder *, intptr_t param);
typedef int32_t(CALL *EnumerateAssetProc)(const TConnectorAssetIdentifier *, intptr_t param);

#endif
