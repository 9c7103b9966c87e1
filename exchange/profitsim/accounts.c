/* The broker's accounts and their positions, as the exchange told them. */
#include <string.h>

#include "internal.h"

static struct {
    wire_position positions[MAX_POSITIONS]; /* under `lock` */
    int32_t count;
} cache;

void accounts_reset(void) {
    mutex_lock(&sim.lock);
    sim.account_count = cache.count = 0;
    mutex_unlock(&sim.lock);
}

static account_t *find_utf8(int32_t broker, const char account[32], const char sub_account[32]) {
    for (int32_t i = 0; i < sim.account_count; i++) {
        account_t *each = &sim.accounts[i];
        if (each->broker == broker && memcmp(each->account_utf8, account, 32) == 0 &&
            memcmp(each->sub_account_utf8, sub_account, 32) == 0)
            return each;
    }
    return NULL;
}

account_t *account_find(const TConnectorAccountIdentifier *id) {
    char account[32], sub_account[32];
    if (id == NULL) return NULL;
    if (!to_utf8(id->account_id, account, 32) || !to_utf8(id->sub_account_id, sub_account, 32)) return NULL;
    mutex_lock(&sim.lock);
    account_t *found = find_utf8(id->broker_id, account, sub_account);
    mutex_unlock(&sim.lock);
    return found;
}

bool on_account(const wire_account *message) {
    mutex_lock(&sim.lock);
    account_t *account = find_utf8(message->broker, message->account, message->sub_account);
    if (account == NULL && sim.account_count < MAX_ACCOUNTS) {
        account = &sim.accounts[sim.account_count++];
        account->broker = message->broker;
        memcpy(account->account_utf8, message->account, 32);
        memcpy(account->sub_account_utf8, message->sub_account, 32);
        to_wide(message->account, 32, account->account, 32);
        to_wide(message->sub_account, 32, account->sub_account, 32);
        account->id = (TConnectorAccountIdentifier){0, message->broker, account->account, account->sub_account, 0};
    }
    if (account != NULL) {
        account->flags = message->flags;
        to_wide(message->broker_name, 64, account->broker_name, 64);
        to_wide(message->owner_name, 64, account->owner_name, 64);
    }
    mutex_unlock(&sim.lock);
    return true;
}

void announce_accounts(void) {
    for (int32_t i = 0; i < sim.account_count; i++) {
        FIRE(account_list, sim.accounts[i].broker, 1);
        FIRE(order_history, lend_account(&sim.accounts[i].id));
    }
}

static bool same_holding(const wire_position *a, const wire_position *b) {
    return a->broker == b->broker && memcmp(a->account, b->account, 32) == 0 &&
           memcmp(a->sub_account, b->sub_account, 32) == 0 && memcmp(a->ticker, b->ticker, 16) == 0 &&
           memcmp(a->exchange, b->exchange, 4) == 0;
}

bool on_position(const wire_position *message, bool told_at_login) {
    int32_t i = 0;
    mutex_lock(&sim.lock);
    while (i < cache.count && !same_holding(&cache.positions[i], message)) i++;
    bool kept = i < MAX_POSITIONS;
    if (kept) {
        cache.positions[i] = *message;
        if (i == cache.count) cache.count++;
    }
    account_t *account = find_utf8(message->broker, message->account, message->sub_account);
    mutex_unlock(&sim.lock);
    if (!kept) log_line("a position is beyond the %d this library holds", MAX_POSITIONS);
    if (told_at_login || account == NULL) return true;
    wchar_t ticker[17], exchange[5];
    to_wide(message->ticker, 16, ticker, 16);
    to_wide(message->exchange, 4, exchange, 4);
    TConnectorAssetIdentifier asset = {0, ticker, exchange, 0};
    FIRE(position, lend_account(&account->id), lend_asset(&asset), message->event_id);
    return true;
}

bool position_find(const account_t *account, const instrument_t *instrument, wire_position *out) {
    wire_position wanted = {.broker = account->broker};
    memcpy(wanted.account, account->account_utf8, 32);
    memcpy(wanted.sub_account, account->sub_account_utf8, 32);
    to_utf8(instrument->ticker, wanted.ticker, 16);
    to_utf8(instrument->exchange, wanted.exchange, 4);
    bool found = false;
    mutex_lock(&sim.lock);
    for (int32_t i = 0; i < cache.count && !found; i++)
        if ((found = same_holding(&cache.positions[i], &wanted))) *out = cache.positions[i];
    mutex_unlock(&sim.lock);
    return found;
}

API int32_t CALL GetAccountCount(void) {
    int32_t code = query_gate(true);
    return code != NL_OK ? code : sim.account_count;
}

static void copy_account(const account_t *from, TConnectorAccountIdentifierOut *to) {
    memset(to, 0, sizeof *to);
    to->broker_id = from->broker;
    wcscpy(to->account_id, from->account);
    to->account_id_length = (int32_t)wcslen(from->account);
    wcscpy(to->sub_account_id, from->sub_account);
    to->sub_account_id_length = (int32_t)wcslen(from->sub_account);
}

API int32_t CALL GetAccounts(int32_t start_source, int32_t start_dest, int32_t count,
                             TConnectorAccountIdentifierOut *out) {
    int32_t code = query_gate(true);
    if (code != NL_OK) return code;
    if (start_source < 0 || start_dest < 0 || count < 0 || out == NULL) return NL_INVALID_ARGS;
    int32_t copied = 0;
    mutex_lock(&sim.lock);
    for (; copied < count && start_source < sim.account_count - copied; copied++)
        copy_account(&sim.accounts[start_source + copied], &out[start_dest + copied]);
    mutex_unlock(&sim.lock);
    return copied;
}

static bool of_broker(int32_t i, int32_t broker) { return i < sim.account_count && sim.accounts[i].broker == broker; }

API int32_t CALL GetAccountCountByBroker(int32_t broker) {
    int32_t code = query_gate(true), count = 0;
    if (code != NL_OK) return code;
    mutex_lock(&sim.lock);
    for (int32_t i = 0; i < sim.account_count; i++) count += of_broker(i, broker);
    mutex_unlock(&sim.lock);
    return count;
}

API int32_t CALL GetAccountsByBroker(int32_t broker, int32_t start_source, int32_t start_dest, int32_t count,
                                     TConnectorAccountIdentifierOut *out) {
    int32_t code = query_gate(true);
    if (code != NL_OK) return code;
    if (start_source < 0 || start_dest < 0 || count < 0 || out == NULL) return NL_INVALID_ARGS;
    int32_t copied = 0, seen = 0;
    mutex_lock(&sim.lock);
    for (int32_t i = 0; i < sim.account_count && copied < count; i++)
        if (of_broker(i, broker) && seen++ >= start_source) copy_account(&sim.accounts[i], &out[start_dest + copied++]);
    mutex_unlock(&sim.lock);
    return copied;
}

/* No account here has accounts below it. */
API int32_t CALL GetSubAccountCount(const TConnectorAccountIdentifier *master) {
    int32_t code = query_gate(true);
    return code != NL_OK ? code : account_find(master) == NULL ? NL_NOT_FOUND : 0;
}

API int32_t CALL GetSubAccounts(const TConnectorAccountIdentifier *master, int32_t start_source, int32_t start_dest,
                                int32_t count, TConnectorAccountIdentifierOut *out) {
    (void)start_source, (void)start_dest, (void)count, (void)out;
    return GetSubAccountCount(master);
}

API int32_t CALL GetAccountDetails(TConnectorTradingAccountOut *out) {
    int32_t code = query_gate(true);
    if (code != NL_OK) return code;
    if (out == NULL) return NL_INVALID_ARGS;
    if (out->version > 1) return NL_VERSION_NOT_SUPPORTED;
    const account_t *account = account_find(&out->account);
    if (account == NULL) return NL_NOT_FOUND;
    mutex_lock(&sim.lock);
    hand_out(account->broker_name, out->broker_name, &out->broker_name_length);
    hand_out(account->owner_name, out->owner_name, &out->owner_name_length);
    hand_out(L"", out->sub_owner_name, &out->sub_owner_name_length);
    out->account_flags = account->flags;
    if (out->version >= 1) out->account_type = 0;
    mutex_unlock(&sim.lock);
    return NL_OK;
}

/* An account that never held the instrument is flat: all zero. */
API int32_t CALL GetPositionV2(TConnectorTradingAccountPosition *out) {
    int32_t code = query_gate(true);
    if (code != NL_OK) return code;
    if (out == NULL) return NL_INVALID_ARGS;
    if (out->version > 2) return NL_VERSION_NOT_SUPPORTED;
    const account_t *account = account_find(&out->account);
    const instrument_t *instrument = instrument_find(&out->asset);
    if (account == NULL) return NL_NOT_FOUND;
    if (instrument == NULL) return NL_INVALID_TICKER;
    wire_position held = {0};
    position_find(account, instrument, &held);
    out->open_quantity = held.open_quantity;
    out->open_average_price = held.open_average_price;
    out->open_side = held.open_side;
    out->daily_average_sell_price = held.daily_average_sell_price;
    out->daily_sell_quantity = held.daily_sell_quantity;
    out->daily_average_buy_price = held.daily_average_buy_price;
    out->daily_buy_quantity = held.daily_buy_quantity;
    out->d1 = out->d2 = out->d3 = out->blocked = out->pending = out->alloc = out->provision = 0;
    out->quantity = out->available = held.open_quantity;
    if (out->version >= 2) out->event_id = held.event_id;
    return NL_OK;
}

API int32_t CALL EnumerateAllPositionAssets(const TConnectorAccountIdentifier *id, uint8_t version, intptr_t param,
                                            EnumerateAssetProc proc) {
    int32_t code = query_gate(true);
    if (code != NL_OK) return code;
    if (proc == NULL) return NL_INVALID_ARGS;
    if (version > 0) return NL_VERSION_NOT_SUPPORTED;
    const account_t *account = account_find(id);
    if (account == NULL) return NL_NOT_FOUND;
    for (int32_t i = 0;; i++) { /* the lock is not held while the caller's function runs */
        mutex_lock(&sim.lock);
        bool there = i < cache.count;
        wire_position held = cache.positions[there ? i : 0];
        mutex_unlock(&sim.lock);
        if (!there) return NL_OK;
        if (held.broker != account->broker || memcmp(held.account, account->account_utf8, 32) != 0 ||
            memcmp(held.sub_account, account->sub_account_utf8, 32) != 0)
            continue;
        wchar_t ticker[17], exchange[5];
        to_wide(held.ticker, 16, ticker, 16);
        to_wide(held.exchange, 4, exchange, 4);
        TConnectorAssetIdentifier asset = {0, ticker, exchange, 0};
        bool more = proc(lend_asset(&asset), param);
        lend_end();
        if (!more) return NL_OK;
    }
}

/* The simulated market's members have numbers; their names are made of them. */
static bool agent_name(int32_t id, wchar_t name[32], bool is_short) {
    if (id <= 0) return false;
    const wchar_t *prefix = is_short ? L"M" : L"Member ";
    wchar_t digits[12];
    int32_t count = 0;
    for (int32_t rest = id; rest > 0; rest /= 10) digits[count++] = (wchar_t)(L'0' + rest % 10);
    wcscpy(name, prefix);
    size_t length = wcslen(name);
    while (count > 0) name[length++] = digits[--count];
    name[length] = 0;
    return true;
}

API int32_t CALL GetAgentNameLength(int32_t id, uint32_t is_short) {
    wchar_t name[32];
    if (!atomic_load(&sim.running)) return NL_NOT_INITIALIZED;
    return agent_name(id, name, is_short != 0) ? (int32_t)wcslen(name) : NL_NOT_FOUND;
}

API int32_t CALL GetAgentName(int32_t length, int32_t id, wchar_t *out, uint32_t is_short) {
    wchar_t name[32];
    if (!atomic_load(&sim.running)) return NL_NOT_INITIALIZED;
    if (out == NULL || length < 0) return NL_INVALID_ARGS;
    if (!agent_name(id, name, is_short != 0)) return NL_NOT_FOUND;
    int32_t there = length;
    hand_out(name, out, &length);
    return length < there ? length : there; /* how many characters were written, as clients of the real one expect */
}
