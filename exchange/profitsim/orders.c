/* Orders: what is sent, and the cache of what the exchange said about each. order_reports.c tells of them. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* Never moved and never freed before the session ends, so strings handed out stay valid. */
typedef struct {
    wire_order is;
    wchar_t cl_order_id[33];
} order_t;

static struct {
    order_t **orders; /* under `lock` */
    int32_t count, capacity;
    int64_t last_local_id; /* unique within a session only, as in the real library */
} book;

void orders_reset(void) {
    mutex_lock(&sim.lock);
    for (int32_t i = 0; i < book.count; i++) free(book.orders[i]);
    free(book.orders);
    memset(&book, 0, sizeof book);
    mutex_unlock(&sim.lock);
}

/* With the lock held: by permanent id, else by the session's own. */
static order_t *find(const char cl_order_id[32], int64_t local_id) {
    for (int32_t i = book.count - 1; i >= 0; i--) {
        const wire_order *is = &book.orders[i]->is;
        if (*cl_order_id != 0 && memcmp(is->cl_order_id, cl_order_id, 32) == 0) return book.orders[i];
        if (local_id != 0 && is->local_id == local_id && (*cl_order_id == 0 || *is->cl_order_id == 0))
            return book.orders[i];
    }
    return NULL;
}

/* With the lock held. NULL: no memory. */
static order_t *append(void) {
    if (book.count == book.capacity) {
        int32_t capacity = book.capacity == 0 ? 256 : book.capacity * 2;
        order_t **grown = realloc(book.orders, (size_t)capacity * sizeof *grown);
        if (grown == NULL) return NULL;
        book.orders = grown;
        book.capacity = capacity;
    }
    order_t *made = calloc(1, sizeof *made);
    if (made != NULL) book.orders[book.count++] = made;
    return made;
}

/* A new login tells all orders again: only those that changed meanwhile are news. */
bool on_order(const wire_order *message, bool told_at_login) {
    mutex_lock(&sim.lock);
    order_t *order = find(message->cl_order_id, message->own ? message->local_id : 0);
    bool is_new = order == NULL;
    if (is_new) order = append();
    if (order == NULL) {
        mutex_unlock(&sim.lock);
        log_line("no memory for an order");
        return true;
    }
    int64_t local_id = order->is.local_id;
    bool changed = is_new || order->is.status != message->status || order->is.event_id != message->event_id ||
                   order->is.traded_quantity != message->traded_quantity;
    order->is = *message;
    order->is.local_id = local_id != 0 ? local_id : message->own ? message->local_id : 0;
    to_wide(message->cl_order_id, 32, order->cl_order_id, 32);
    TConnectorOrderIdentifier id = {0, order->is.local_id, order->cl_order_id};
    mutex_unlock(&sim.lock);
    if (!told_at_login || (changed && atomic_load(&sim.told))) FIRE(order, lend_order_id(&id));
    fault_may_abort();
    return true;
}

/* Gives the order a local id and puts it in the cache, so that its details are there before the exchange answers. */
static int64_t remember(wire_order *order) {
    mutex_lock(&sim.lock);
    order_t *made = append();
    if (made != NULL) {
        order->local_id = ++book.last_local_id;
        order->own = 1;
        order->status = STATUS_CLIENT_CREATED;
        made->is = *order;
    }
    mutex_unlock(&sim.lock);
    if (made == NULL) return NL_INTERNAL_ERROR;
    int64_t now = market_now_ns();
    mutex_lock(&sim.lock);
    made->is.date_ns = made->is.update_ns = now;
    mutex_unlock(&sim.lock);
    return order->local_id;
}

static int32_t password_of(const wchar_t *text, char out[64]) {
    return to_utf8(text, out, 64) ? NL_OK : NL_INVALID_ARGS;
}

API int64_t CALL SendOrder(const TConnectorSendOrder *request) {
    int32_t code = request_gate(true);
    if (code != NL_OK) return code;
    if (request == NULL) return NL_INVALID_ARGS;
    /* version 0 numbers its order types otherwise */
    if (request->version < 1 || request->version > 2) return NL_VERSION_NOT_SUPPORTED;
    const account_t *account = account_find(&request->account);
    const instrument_t *instrument = instrument_find(&request->asset);
    if (account == NULL) return NL_NOT_FOUND;
    if (instrument == NULL) return NL_INVALID_TICKER;
    bool type_known = request->order_type == TYPE_MARKET || request->order_type == TYPE_LIMIT ||
                      request->order_type == TYPE_STOP_LIMIT;
    if (!type_known || (request->side != SIDE_BUY && request->side != SIDE_SELL) || request->quantity <= 0)
        return NL_INVALID_ARGS;
    wire_send_order body = {.message_id = request->version >= 2 ? request->message_id : 0,
                            .broker = account->broker,
                            .order_type = request->order_type,
                            .side = request->side,
                            .price = request->price,
                            .stop_price = request->stop_price,
                            .quantity = request->quantity};
    if (password_of(request->password, body.password) != NL_OK) return NL_INVALID_ARGS;
    memcpy(body.account, account->account_utf8, 32);
    memcpy(body.sub_account, account->sub_account_utf8, 32);
    to_utf8(instrument->ticker, body.ticker, 16);
    to_utf8(instrument->exchange, body.exchange, 4);
    wire_order order = {.broker = body.broker,
                        .quantity = body.quantity,
                        .leaves_quantity = body.quantity,
                        .price = body.price,
                        .stop_price = body.stop_price,
                        .side = body.side,
                        .order_type = body.order_type};
    memcpy(order.account, body.account, 32);
    memcpy(order.sub_account, body.sub_account, 32);
    memcpy(order.ticker, body.ticker, 16);
    memcpy(order.exchange, body.exchange, 4);
    int64_t local_id = remember(&order);
    if (local_id < 0) return local_id;
    body.local_id = local_id;
    return wire_send(WIRE_SEND, &body, sizeof body) ? local_id : NL_WAITING_SERVER;
}

/* Changes and cancels name the permanent id on the wire; before it has come they cannot be sent. */
static int32_t permanent_id(const TConnectorOrderIdentifier *id, char out[32]) {
    char wanted[32];
    if (!to_utf8(id->cl_order_id, wanted, 32)) return NL_INVALID_ARGS;
    mutex_lock(&sim.lock);
    const order_t *order = find(wanted, id->local_order_id);
    if (order != NULL) memcpy(out, order->is.cl_order_id, 32);
    mutex_unlock(&sim.lock);
    return order == NULL ? NL_NOT_FOUND : *out == 0 ? NL_WAITING_SERVER : NL_OK;
}

API int32_t CALL SendChangeOrderV2(const TConnectorChangeOrder *request) {
    int32_t code = request_gate(true);
    if (code != NL_OK) return code;
    if (request == NULL || request->quantity <= 0) return NL_INVALID_ARGS;
    if (request->version > 1) return NL_VERSION_NOT_SUPPORTED;
    wire_change body = {.price = request->price, .stop_price = request->stop_price, .quantity = request->quantity};
    if ((code = permanent_id(&request->order_id, body.cl_order_id)) != NL_OK) return code;
    if ((code = password_of(request->password, body.password)) != NL_OK) return code;
    return wire_send(WIRE_CHANGE, &body, sizeof body) ? NL_OK : NL_WAITING_SERVER;
}

API int32_t CALL SendCancelOrderV2(const TConnectorCancelOrder *request) {
    int32_t code = request_gate(true);
    if (code != NL_OK) return code;
    if (request == NULL) return NL_INVALID_ARGS;
    if (request->version > 1) return NL_VERSION_NOT_SUPPORTED;
    wire_cancel body = {0};
    if ((code = permanent_id(&request->order_id, body.cl_order_id)) != NL_OK) return code;
    if ((code = password_of(request->password, body.password)) != NL_OK) return code;
    return wire_send(WIRE_CANCEL, &body, sizeof body) ? NL_OK : NL_WAITING_SERVER;
}

static int32_t cancel_many(const TConnectorAccountIdentifier *id, const TConnectorAssetIdentifier *asset,
                           const wchar_t *password) {
    const account_t *account = account_find(id);
    const instrument_t *instrument = asset != NULL ? instrument_find(asset) : NULL;
    if (account == NULL) return NL_NOT_FOUND;
    if (asset != NULL && instrument == NULL) return NL_INVALID_TICKER;
    wire_cancel_all body = {.broker = account->broker};
    memcpy(body.account, account->account_utf8, 32);
    memcpy(body.sub_account, account->sub_account_utf8, 32);
    if (instrument != NULL) {
        to_utf8(instrument->ticker, body.ticker, 16);
        to_utf8(instrument->exchange, body.exchange, 4);
    }
    if (password_of(password, body.password) != NL_OK) return NL_INVALID_ARGS;
    return wire_send(WIRE_CANCEL_ALL, &body, sizeof body) ? NL_OK : NL_WAITING_SERVER;
}

API int32_t CALL SendCancelOrdersV2(const TConnectorCancelOrders *request) {
    int32_t code = request_gate(true);
    if (code != NL_OK) return code;
    if (request == NULL) return NL_INVALID_ARGS;
    if (request->version > 1) return NL_VERSION_NOT_SUPPORTED;
    return cancel_many(&request->account, &request->asset, request->password);
}

API int32_t CALL SendCancelAllOrdersV2(const TConnectorCancelAllOrders *request) {
    int32_t code = request_gate(true);
    if (code != NL_OK) return code;
    if (request == NULL) return NL_INVALID_ARGS;
    if (request->version > 1) return NL_VERSION_NOT_SUPPORTED;
    return cancel_many(&request->account, NULL, request->password);
}

API int64_t CALL SendZeroPositionV2(const TConnectorZeroPosition *request) {
    int32_t code = request_gate(true);
    if (code != NL_OK) return code;
    if (request == NULL) return NL_INVALID_ARGS;
    if (request->version > 1) return NL_VERSION_NOT_SUPPORTED;
    const account_t *account = account_find(&request->account);
    const instrument_t *instrument = instrument_find(&request->asset);
    if (account == NULL) return NL_NOT_FOUND;
    if (instrument == NULL) return NL_INVALID_TICKER;
    wire_position held = {0};
    if (!position_find(account, instrument, &held) || held.open_quantity == 0) return NL_NO_POSITION;
    wire_zero body = {.broker = account->broker,
                      .position_type = request->version >= 1 ? request->position_type : 1,
                      .price = request->price};
    memcpy(body.account, held.account, 32);
    memcpy(body.sub_account, held.sub_account, 32);
    memcpy(body.ticker, held.ticker, 16);
    memcpy(body.exchange, held.exchange, 4);
    if (password_of(request->password, body.password) != NL_OK) return NL_INVALID_ARGS;
    wire_order order = {.broker = body.broker,
                        .quantity = held.open_quantity,
                        .leaves_quantity = held.open_quantity,
                        .price = body.price,
                        .stop_price = -1,
                        .side = held.open_side == SIDE_BUY ? SIDE_SELL : SIDE_BUY,
                        .order_type = body.price < 0 ? TYPE_MARKET : TYPE_LIMIT};
    memcpy(order.account, body.account, 32);
    memcpy(order.sub_account, body.sub_account, 32);
    memcpy(order.ticker, body.ticker, 16);
    memcpy(order.exchange, body.exchange, 4);
    int64_t local_id = remember(&order);
    if (local_id < 0) return local_id;
    body.local_id = local_id;
    return wire_send(WIRE_ZERO, &body, sizeof body) ? local_id : NL_WAITING_SERVER;
}

bool order_copy(const char cl_order_id[32], int64_t local_id, wire_order *out, const wchar_t **permanent) {
    mutex_lock(&sim.lock);
    const order_t *found = find(cl_order_id, local_id);
    if (found != NULL) *out = found->is, *permanent = found->cl_order_id;
    mutex_unlock(&sim.lock);
    return found != NULL;
}

bool order_at(int32_t i, wire_order *out) {
    mutex_lock(&sim.lock);
    bool there = i < book.count;
    if (there) *out = book.orders[i]->is;
    mutex_unlock(&sim.lock);
    return there;
}
