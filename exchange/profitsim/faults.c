/* What the exchange told this library to do wrong, so that its clients can be tested: see exchange/faults/table.py. */
#include "internal.h"

static struct {
    atomic_int details_left, details_code;
} fault;

void faults_reset(void) { atomic_store(&fault.details_left, 0); }

bool on_fault(const wire_fault *message) {
    log_line("fault %d: count %d, code %d, value %d", message->kind, message->count, message->code, message->value);
    switch (message->kind) {
    case WIRE_FAULT_DETAILS:
        atomic_store(&fault.details_code, message->code);
        atomic_store(&fault.details_left, message->count);
        return true;
    default: return true; /* one that this library does not know */
    }
}

/* Takes one of `left`; false: there was none. */
static bool take(atomic_int *left) {
    int seen = atomic_load(left);
    while (seen > 0)
        if (atomic_compare_exchange_weak(left, &seen, seen - 1)) return true;
    return false;
}

int32_t fault_of_details(void) { return take(&fault.details_left) ? atomic_load(&fault.details_code) : NL_OK; }
