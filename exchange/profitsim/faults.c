/* What the exchange told this library to do wrong, so that its clients can be tested: see exchange/faults/table.py. */
#include "internal.h"

enum { USUAL_GROUP = 1 };

static struct {
    atomic_int details_left, details_code;
    atomic_int aborts;
    atomic_int grouped_left, group_size;
    atomic_int full_books;
    atomic_int offer_packet; /* 0: as usual */
} fault;

void faults_reset(void) {
    atomic_store(&fault.details_left, 0);
    atomic_store(&fault.aborts, 0);
    atomic_store(&fault.grouped_left, 0);
    atomic_store(&fault.full_books, 0);
    atomic_store(&fault.offer_packet, 0);
}

bool on_fault(const wire_fault *message) {
    log_line("fault %d: count %d, code %d, value %d", message->kind, message->count, message->code, message->value);
    int32_t count = message->count > 0 ? message->count : 0;
    switch (message->kind) {
    case WIRE_FAULT_DETAILS:
        atomic_store(&fault.details_code, message->code);
        atomic_store(&fault.details_left, count);
        return true;
    case WIRE_FAULT_ABORT: atomic_store(&fault.aborts, count); return true;
    case WIRE_FAULT_GROUPS:
        atomic_store(&fault.group_size, message->value);
        atomic_store(&fault.grouped_left, count);
        return true;
    case WIRE_FAULT_FULL_BOOK: atomic_store(&fault.full_books, count); return true;
    case WIRE_FAULT_OFFERS:
        atomic_store(&fault.offer_packet, message->value > 0 ? message->value : 0);
        for (int32_t i = 0; i < atomic_load(&sim.instrument_count); i++)
            atomic_store(&sim.instruments[i].whole_offers, true);
        return true;
    default: return true; /* one that this library does not know */
    }
}

/* Takes `some` of `left`, or what there is; false: there was none. */
static bool take(atomic_int *left, int32_t some) {
    int seen = atomic_load(left);
    while (seen > 0)
        if (atomic_compare_exchange_weak(left, &seen, seen > some ? seen - some : 0)) return true;
    return false;
}

int32_t fault_of_details(void) { return take(&fault.details_left, 1) ? atomic_load(&fault.details_code) : NL_OK; }

bool fault_of_full_book(void) { return take(&fault.full_books, 1); }

int32_t fault_of_groups(void) {
    int32_t size = atomic_load(&fault.group_size);
    return take(&fault.grouped_left, size > 1 ? size : 1) ? size : USUAL_GROUP;
}

int32_t fault_of_offer_packets(int32_t otherwise) {
    int32_t size = atomic_load(&fault.offer_packet);
    return size > 0 ? size : otherwise;
}

void fault_may_abort(void) {
    if (!take(&fault.aborts, 1)) return;
    log_line("the host ends here, as a fault wants it");
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION /* a fuzzer would find this one at once */
    process_abort();
#endif
}
