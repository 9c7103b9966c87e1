/* What callers are told of orders: one by its id, all of an account, whether there are any. */
#include <string.h>

#include "internal.h"

/* The fields that TConnectorOrder and TConnectorOrderOut share. Nothing in the exchange's orders ends by a date. */
#define FILL(out, is)                                                                                                  \
    do {                                                                                                               \
        (out)->quantity = (is)->quantity;                                                                              \
        (out)->traded_quantity = (is)->traded_quantity;                                                                \
        (out)->leaves_quantity = (is)->leaves_quantity;                                                                \
        (out)->price = (is)->price;                                                                                    \
        (out)->stop_price = (is)->stop_price;                                                                          \
        (out)->average_price = (is)->average_price;                                                                    \
        (out)->side = (is)->side;                                                                                      \
        (out)->order_type = (is)->order_type;                                                                          \
        (out)->status = (is)->status;                                                                                  \
        (out)->validity = (is)->validity;                                                                              \
        (out)->date = local_time((is)->date_ns);                                                                       \
        (out)->last_update = local_time((is)->update_ns);                                                              \
        (out)->close_date = local_time((is)->close_ns);                                                                \
        (out)->validity_date = (SystemTime){0};                                                                        \
        if ((out)->version >= 1) (out)->event_id = (is)->event_id;                                                     \
    } while (0)

/* Text: without buffers the lengths are told, with buffers of such lengths they are filled. A missing permanent id is
 * answered by a pointer that stays valid to the end of the session. An accessor: callbacks may call it. */
API int32_t CALL GetOrderDetails(TConnectorOrderOut *out) {
    if (!atomic_load(&sim.running)) return NL_NOT_INITIALIZED;
    if (!sim.full) return NL_MARKET_ONLY;
    char wanted[32];
    if (out == NULL || !to_utf8(out->order_id.cl_order_id, wanted, 32)) return NL_INVALID_ARGS;
    if (out->version > 1) return NL_VERSION_NOT_SUPPORTED;
    int32_t failure = fault_of_details();
    if (failure != NL_OK) return failure;
    wire_order is = {0};
    const wchar_t *permanent = NULL;
    if (!order_copy(wanted, out->order_id.local_order_id, &is, &permanent)) return NL_NOT_FOUND;
    wchar_t text[129];
    out->order_id.local_order_id = is.local_id;
    if (*wanted == 0) out->order_id.cl_order_id = permanent;
    out->account.broker_id = is.broker;
    to_wide(is.account, 32, out->account.account_id, 32);
    out->account.account_id_length = (int32_t)wcslen(out->account.account_id);
    to_wide(is.sub_account, 32, out->account.sub_account_id, 32);
    out->account.sub_account_id_length = (int32_t)wcslen(out->account.sub_account_id);
    to_wide(is.ticker, 16, text, 128);
    hand_out(text, out->asset.ticker, &out->asset.ticker_length);
    to_wide(is.exchange, 4, text, 128);
    hand_out(text, out->asset.exchange, &out->asset.exchange_length);
    to_wide(is.text, 128, text, 128);
    hand_out(text, out->text_message, &out->text_message_length);
    FILL(out, &is);
    return NL_OK;
}

static bool of_account(const wire_order *is, const account_t *account) {
    return is->broker == account->broker && memcmp(is->account, account->account_utf8, 32) == 0 &&
           memcmp(is->sub_account, account->sub_account_utf8, 32) == 0;
}

/* The account's orders that were made from `first` to `last`; NL_NOT_FOUND only for an unknown account. */
static int32_t enumerate(const TConnectorAccountIdentifier *id, uint8_t version, int64_t first, int64_t last,
                         intptr_t param, EnumerateOrderProc proc, int32_t *told) {
    int32_t code = query_gate(true);
    if (code != NL_OK) return code;
    if (proc == NULL) return NL_INVALID_ARGS;
    if (version > 1) return NL_VERSION_NOT_SUPPORTED;
    account_t *account = account_find(id);
    if (account == NULL) return NL_NOT_FOUND;
    wire_order is;
    for (int32_t i = 0; order_at(i, &is); i++) {
        if (!of_account(&is, account) || is.date_ns < first || is.date_ns > last) continue;
        wchar_t cl_order_id[33], ticker[17], exchange[5], text[129];
        to_wide(is.cl_order_id, 32, cl_order_id, 32);
        to_wide(is.ticker, 16, ticker, 16);
        to_wide(is.exchange, 4, exchange, 4);
        to_wide(is.text, 128, text, 128);
        TConnectorOrderIdentifier order_id = {0, is.local_id, cl_order_id};
        TConnectorAssetIdentifier asset = {0, ticker, exchange, 0};
        TConnectorOrder order = {.version = version,
                                 .order_id = *lend_order_id(&order_id),
                                 .account = *lend_account(&account->id),
                                 .asset = *lend_asset(&asset),
                                 .text_message = lend_text(text)};
        FILL(&order, &is);
        bool more = proc(lend_bytes(&order, sizeof order), param);
        lend_end();
        ++*told;
        if (!more) break;
    }
    return NL_OK;
}

API int32_t CALL EnumerateAllOrders(const TConnectorAccountIdentifier *id, uint8_t version, intptr_t param,
                                    EnumerateOrderProc proc) {
    int32_t told = 0;
    return enumerate(id, version, INT64_MIN, INT64_MAX, param, proc, &told);
}

/* An interval without orders is told by its code, as clients of the real one expect. */
API int32_t CALL EnumerateOrdersByInterval(const TConnectorAccountIdentifier *id, uint8_t version,
                                           const SystemTime *from, const SystemTime *to, intptr_t param,
                                           EnumerateOrderProc proc) {
    int32_t told = 0;
    if (from == NULL || to == NULL) return NL_INVALID_ARGS;
    int32_t code = enumerate(id, version, utc_ns(from), utc_ns(to), param, proc, &told);
    return code == NL_OK && told == 0 ? NL_OUT_OF_RANGE : code;
}

/* All orders of the day are here after the login, so the order history callback follows at once. */
API int32_t CALL HasOrdersInInterval(const TConnectorAccountIdentifier *id, const SystemTime *from,
                                     const SystemTime *to) {
    int32_t code = query_gate(true);
    if (code != NL_OK) return code;
    if (from == NULL || to == NULL) return NL_INVALID_ARGS;
    const account_t *account = account_find(id);
    if (account == NULL) return NL_NOT_FOUND;
    notice_t notice = {.kind = NOTICE_ORDER_HISTORY, .index = (int32_t)(account - sim.accounts)};
    post_notice(&notice);
    int64_t first = utc_ns(from), last = utc_ns(to);
    wire_order is;
    for (int32_t i = 0; order_at(i, &is); i++)
        if (of_account(&is, account) && is.date_ns >= first && is.date_ns <= last) return NL_OK;
    return NL_NOT_FOUND;
}
