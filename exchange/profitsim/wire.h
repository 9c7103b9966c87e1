/* The wire to the simulated exchange: exchange/protocol.py drawn in C. Little-endian, no implicit padding. */
#ifndef PROFITSIM_WIRE_H
#define PROFITSIM_WIRE_H

#include <stdint.h>

enum { WIRE_VERSION = 1, WIRE_LEVELS = 10 };

enum {
    WIRE_LOGIN = 1,
    WIRE_SUBSCRIBE,
    WIRE_HISTORY,
    WIRE_SEND,
    WIRE_CHANGE,
    WIRE_CANCEL,
    WIRE_CANCEL_ALL,
    WIRE_ZERO,
    WIRE_LOGIN_REPLY = 64,
    WIRE_ACCOUNT,
    WIRE_INSTRUMENT,
    WIRE_LOGIN_DONE,
    WIRE_CLOCK,
    WIRE_TRADE,
    WIRE_BOOK,
    WIRE_HISTORY_TRADE,
    WIRE_HISTORY_END,
    WIRE_ORDER,
    WIRE_POSITION,
    WIRE_TICKER_STATE,
    WIRE_STATE,
    WIRE_FAULT,
    WIRE_DAILY
};

/* kinds of WIRE_FAULT */
enum { WIRE_FAULT_DETAILS = 1, WIRE_FAULT_ABORT, WIRE_FAULT_GROUPS, WIRE_FAULT_FULL_BOOK, WIRE_FAULT_OFFERS };

typedef struct {
    uint32_t length;
    uint16_t type, version;
} wire_header;

typedef struct {
    char key[32], user[64], password[64];
    uint8_t full, pad[7];
} wire_login;

typedef struct {
    char ticker[16], exchange[4];
    uint8_t trades, depth, on, pad[1];
} wire_subscribe;

typedef struct {
    char ticker[16], exchange[4];
    int32_t request;
    int64_t from_ns, to_ns;
} wire_history;

typedef struct {
    int64_t local_id, message_id;
    char account[32], sub_account[32], password[64], ticker[16], exchange[4];
    int32_t broker;
    uint8_t order_type, side, validity, pad[5];
    double price, stop_price;
    int64_t quantity;
} wire_send_order;

typedef struct {
    char cl_order_id[32], password[64];
    double price, stop_price;
    int64_t quantity;
} wire_change;

typedef struct {
    char cl_order_id[32], password[64];
} wire_cancel;

typedef struct {
    char account[32], sub_account[32], password[64], ticker[16], exchange[4];
    int32_t broker;
} wire_cancel_all;

typedef struct {
    int64_t local_id;
    char account[32], sub_account[32], password[64], ticker[16], exchange[4];
    int32_t broker;
    uint8_t position_type, pad[7];
    double price;
} wire_zero;

typedef struct {
    int32_t code;
    uint8_t pad[4];
} wire_login_reply;

typedef struct {
    char account[32], sub_account[32];
    int32_t broker;
    uint32_t flags;
    char broker_name[64], owner_name[64];
} wire_account;

typedef struct {
    int32_t index, state;
    char ticker[16], exchange[4];
    uint8_t pad[4];
    double tick, lot, point_value;
} wire_instrument;

typedef struct {
    int32_t orders, positions;
} wire_login_done;

typedef struct {
    int64_t market_ns;
    double speed;
    int64_t running;
} wire_clock;

typedef struct {
    int32_t index, request;
    int64_t ts_ns;
    uint32_t number, flags;
    double price;
    int64_t quantity;
    int32_t buyer, seller;
    uint8_t trade_type, pad[7];
} wire_trade;

typedef struct {
    int32_t request, code;
    int64_t trades;
} wire_history_end;

typedef struct {
    int32_t index;
    uint32_t flags;
    int64_t ts_ns;
    double theoretical_price;
    int64_t theoretical_quantity;
    double bid_price[WIRE_LEVELS];
    int64_t bid_quantity[WIRE_LEVELS];
    uint32_t bid_count[WIRE_LEVELS];
    double ask_price[WIRE_LEVELS];
    int64_t ask_quantity[WIRE_LEVELS];
    uint32_t ask_count[WIRE_LEVELS];
} wire_book;

typedef struct {
    int64_t local_id, event_id;
    char cl_order_id[32], account[32], sub_account[32], ticker[16], exchange[4];
    int32_t broker;
    int64_t quantity, traded_quantity, leaves_quantity;
    double price, stop_price, average_price;
    uint8_t side, order_type, status, validity, own, pad[3];
    int64_t date_ns, update_ns, close_ns;
    char text[128];
} wire_order;

typedef struct {
    char account[32], sub_account[32], ticker[16], exchange[4];
    int32_t broker;
    int64_t open_quantity;
    double open_average_price;
    uint8_t open_side, pad[7];
    int64_t daily_buy_quantity;
    double daily_average_buy_price;
    int64_t daily_sell_quantity;
    double daily_average_sell_price;
    int64_t event_id;
} wire_position;

typedef struct {
    int32_t index, state;
    int64_t ts_ns;
} wire_ticker_state;

typedef struct {
    int32_t type, value;
} wire_state;

typedef struct {
    int32_t kind, count, code, value;
} wire_fault;

typedef struct {
    int32_t index;
    uint8_t pad[4];
    int64_t ts_ns;
    double open, high, low, close, volume, adjust, max_limit, min_limit, volume_buyer, volume_seller;
    int32_t quantity, trades, open_contracts, quantity_buyer, quantity_seller, trades_buyer, trades_seller;
    uint8_t pad_2[4];
} wire_daily;

/* sizes that a wrong pad would change; offsets are tested through profitsim_layout */
_Static_assert(sizeof(wire_header) == 8, "header");
_Static_assert(sizeof(wire_login) == 168, "login");
_Static_assert(sizeof(wire_send_order) == 200, "send");
_Static_assert(sizeof(wire_zero) == 176, "zero");
_Static_assert(sizeof(wire_instrument) == 56, "instrument");
_Static_assert(sizeof(wire_trade) == 56, "trade");
_Static_assert(sizeof(wire_book) == 432, "book");
_Static_assert(sizeof(wire_order) == 344, "order");
_Static_assert(sizeof(wire_position) == 152, "position");

#endif
