/* The offer book, made from price levels: the exchange tells how many orders stand at a price and how much they are
 * together, so a level of n orders is n offers of nearly the same size, the oldest one taking the rest. Their members are
 * not known and are not told.
 *
 * A side is a list from its worst offer to its best, so the best is at the end, and a position counts from there. A full
 * book comes in packets; their arrays belong to the caller, who gives them back with FreePointer. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { MAX_OFFERS = 1024, PACKET_OFFERS = 100, OFFER_SIZE = 53, DATE_BYTES = 23, LAST_PACKET = 1 };
enum { OFFER_ADD, OFFER_EDIT, OFFER_DELETE, OFFER_DELETE_FROM, OFFER_FULL };

typedef struct {
    double price;
    int64_t quantity, id;
} offer;

typedef struct {
    int32_t count; /* best first */
    offer at[MAX_OFFERS];
} offer_side;

static offer_side before, after; /* the ConnectorThread's alone */

static struct {
    void **all; /* arrays that callers hold, under `lock` */
    int32_t count, capacity;
} lent;

/* A price keeps the id of its n-th offer from book to book. */
static int64_t id_of(uint8_t side, double price, int32_t place) {
    int64_t scaled = price > -1e12 && price < 1e12 ? (int64_t)(price * 10000.0) : -1;
    return (int64_t)((((uint64_t)scaled * 2 + side) * MAX_OFFERS + (uint64_t)place) & INT64_MAX); /* may wrap */
}

static void offers_of(const book_side *levels, uint8_t side, offer_side *out) {
    out->count = 0;
    for (int32_t i = 0; i < levels->count; i++) {
        int64_t left = levels->quantity[i], orders = levels->orders[i] > 0 ? levels->orders[i] : 1;
        if (orders > left) orders = left > 0 ? left : 1;
        if (orders > MAX_OFFERS - out->count) orders = MAX_OFFERS - out->count;
        for (int64_t n = orders; n > 0; n--) {
            int64_t quantity = left / n + (n == orders ? left % n : 0);
            out->at[out->count++] = (offer){levels->price[i], quantity, id_of(side, levels->price[i], (int32_t)(orders - n))};
            left -= quantity;
        }
    }
}

static uint8_t *put(uint8_t *at, const void *value, size_t size) {
    memcpy(at, value, size);
    return at + size;
}

/* `count` offers from the list's place `first` on, as one array; NULL: no memory. */
static uint8_t *packed(const offer_side *side, int32_t first, int32_t count, bool last, const char date[DATE_BYTES]) {
    int32_t size = 8 + count * OFFER_SIZE + 4, agent = 0;
    uint32_t flags = last ? LAST_PACKET : 0;
    uint16_t date_length = DATE_BYTES;
    uint8_t *array = malloc((size_t)size);
    mutex_lock(&sim.lock);
    if (array != NULL && lent.count == lent.capacity) {
        int32_t capacity = lent.capacity == 0 ? 64 : lent.capacity * 2;
        void **grown = realloc(lent.all, (size_t)capacity * sizeof *grown);
        if (grown != NULL) lent.all = grown, lent.capacity = capacity;
    }
    bool kept = array != NULL && lent.count < lent.capacity;
    if (kept) lent.all[lent.count++] = array;
    mutex_unlock(&sim.lock);
    if (!kept) {
        free(array);
        return NULL;
    }
    uint8_t *at = put(put(array, &count, 4), &size, 4);
    for (int32_t i = first; i < first + count; i++) {
        const offer *each = &side->at[side->count - 1 - i]; /* the list runs from worst to best */
        at = put(put(put(at, &each->price, 8), &each->quantity, 8), &agent, 4);
        at = put(put(put(at, &each->id, 8), &date_length, 2), date, DATE_BYTES);
    }
    put(at, &flags, 4);
    return array;
}

static void tell_full(const instrument_t *instrument, int64_t ts_ns) {
    static offer_side sides[2];
    wchar_t date[DATE_LENGTH];
    char narrow[DATE_BYTES];
    format_local(ts_ns, date);
    for (int32_t i = 0; i < DATE_BYTES; i++) narrow[i] = (char)date[i];
    offers_of(&instrument->side[BOOK_BUY], BOOK_BUY, &sides[BOOK_BUY]);
    offers_of(&instrument->side[BOOK_SELL], BOOK_SELL, &sides[BOOK_SELL]);
    int32_t longest = sides[0].count > sides[1].count ? sides[0].count : sides[1].count;
    int32_t packet = fault_of_offer_packets(PACKET_OFFERS);
    for (int32_t first = 0; first == 0 || first < longest; first += packet) {
        uint8_t *arrays[2];
        bool last = first + packet >= longest;
        for (int32_t side = 0; side < 2; side++) {
            int32_t left = sides[side].count - first;
            arrays[side] = packed(&sides[side], first, left < 0 ? 0 : left < packet ? left : packet, last, narrow);
        }
        FIRE(offer_book, lend_record(&instrument->record), OFFER_FULL, 0, BOOK_BOTH, 0, 0, 0, 0.0, 0, 0, 0, 0, 0,
             lend_text(date), arrays[BOOK_SELL], arrays[BOOK_BUY]);
    }
}

/* The steps that turn the old list into the new one, each at its position in the list as it stands by then. */
static void tell_steps(const instrument_t *instrument, uint8_t side, const wchar_t *date) {
    const TAssetIDRec *record = &instrument->record;
    for (int32_t i = 0, j = 0; i < before.count || j < after.count;) {
        const offer *old = &before.at[i], *new = &after.at[j];
        bool gone = j == after.count;
        if (!gone && i < before.count)
            gone = old->price != new->price ? (side == BOOK_BUY) == (old->price > new->price) : old->id < new->id;
        if (gone) {
            i++;
            FIRE(offer_book, lend_record(record), OFFER_DELETE, j, side, 0, 0, 0, 0.0, 0, 0, 0, 0, 0, lend_text(date), NULL,
                 NULL);
            continue;
        }
        bool same = i < before.count && old->id == new->id && old->price == new->price;
        if (!same)
            FIRE(offer_book, lend_record(record), OFFER_ADD, j, side, new->quantity, 0, new->id, new->price, 1, 1, 1, 1, 0,
                 lend_text(date), NULL, NULL);
        else if (old->quantity != new->quantity)
            FIRE(offer_book, lend_record(record), OFFER_EDIT, j, side, new->quantity, 0, new->id, new->price, 1, 1, 1, 1, 0,
                 lend_text(date), NULL, NULL);
        i += same;
        j++;
    }
}

void tell_offers(instrument_t *instrument, const book_side old[2], int64_t ts_ns) {
    if (atomic_load(&sim.callbacks.offer_book) == NULL) return; /* nobody would free the arrays */
    if (atomic_exchange(&instrument->whole_offers, false)) {
        tell_full(instrument, ts_ns);
        return;
    }
    wchar_t date[DATE_LENGTH];
    format_local(ts_ns, date);
    for (uint8_t side = 0; side < 2; side++) {
        offers_of(&old[side], side, &before);
        offers_of(&instrument->side[side], side, &after);
        tell_steps(instrument, side, date);
    }
}

/* Gives an array of a full offer book back. Works inside callbacks. */
API int32_t CALL FreePointer(void *pointer, int32_t size) {
    (void)size; /* the heap knows */
    bool found = false;
    mutex_lock(&sim.lock);
    for (int32_t i = 0; i < lent.count && !found; i++)
        if ((found = lent.all[i] == pointer)) lent.all[i] = lent.all[--lent.count];
    mutex_unlock(&sim.lock);
    if (!found) return NL_INVALID_ARGS;
    free(pointer);
    return NL_OK;
}

/* How many arrays callers hold. Not an export of the real library. */
API int32_t CALL profitsim_unfreed(void) {
    mutex_lock(&sim.lock);
    int32_t count = lent.count;
    mutex_unlock(&sim.lock);
    return count;
}
