/* The price depth: books in, notices out, and the accessors that say what stands there now. */
#include <string.h>

#include "internal.h"

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

/* A group is one prepare, its notices and one flush: of one book, unless a fault wants more of them, or neither of the
 * two. A book without a change has no notice of its own. */
static void tell_depth(instrument_t *instrument, const book_side old[2], bool flag_changed, bool theoretical) {
    const TConnectorAssetIdentifier *asset = &instrument->asset;
    bool full = atomic_exchange(&instrument->whole_book, false);
    full |= fault_of_full_book();
    if (instrument->group_left == 0) {
        int32_t books = fault_of_groups();
        instrument->group_lone = books == 0;
        instrument->group_left = books > 1 ? books : 1;
        if (!instrument->group_lone) FIRE(depth, lend_asset(asset), BOOK_NONE, -1, DEPTH_PREPARE);
    }
    if (full) {
        FIRE(depth, lend_asset(asset), BOOK_BOTH, 0, DEPTH_FULL);
    } else {
        tell_changes(instrument, BOOK_BUY, &old[0], &instrument->side[0], flag_changed);
        tell_changes(instrument, BOOK_SELL, &old[1], &instrument->side[1], flag_changed);
    }
    if (theoretical) FIRE(depth, lend_asset(asset), BOOK_NONE, -1, DEPTH_THEORETICAL);
    if (--instrument->group_left == 0 && !instrument->group_lone)
        FIRE(depth, lend_asset(asset), BOOK_NONE, -1, DEPTH_FLUSH);
}

bool on_book(const wire_book *message) {
    instrument_t *instrument = instrument_numbered(message->index);
    if (instrument == NULL) return true;
    bool depth = atomic_load(&instrument->depth), offers = atomic_load(&instrument->offers);
    if (!depth && !offers) return true;
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
    if (depth) tell_depth(instrument, old, flag_changed, theoretical);
    if (offers) tell_offers(instrument, old, message->ts_ns);
    return true;
}

/* A new connection: books come whole, and a group that the old one left open is no more. */
void depth_restart(instrument_t *instrument) {
    atomic_store(&instrument->whole_book, true);
    atomic_store(&instrument->whole_offers, true);
    instrument->group_left = 0;
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
    if (out->version > 0) return NL_VERSION_NOT_SUPPORTED;
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
