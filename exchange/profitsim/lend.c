/* The copies that callbacks get in a build with PROFITSIM_POISON, and their end. Empty in any other build. */
#include "lend.h"

#ifdef PROFITSIM_POISON
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif

#ifdef HAVE_ASAN
/* Returned memory goes to AddressSanitizer's quarantine, which names a late reader, the loan and its end. */
enum { MOST_LOANS = 64 };
static _Thread_local void *loans[MOST_LOANS];
static _Thread_local int count;

const void *lend_bytes(const void *original, size_t size) {
    void *copy = malloc(size);
    if (copy == NULL || count == MOST_LOANS) abort();
    loans[count++] = copy;
    return memcpy(copy, original, size);
}

void lend_end(void) {
    while (count > 0) free(loans[--count]);
}
#else
/* The memory stays ours, so a late reader sees poison and not what the heap put there. Loans walk through the arena: a
 * place is lent again only after many callbacks. The zeros at its end stop who reads a poisoned text. */
enum { ARENA = 1 << 16, LONGEST_LOAN = 1 << 12 };
static _Thread_local union {
    int64_t aligned;
    unsigned char bytes[ARENA + sizeof(wchar_t)];
} arena;
static _Thread_local size_t used, start;

const void *lend_bytes(const void *original, size_t size) {
    size_t room = (size + 15) & ~(size_t)15;
    if (used + room - start > LONGEST_LOAN) abort(); /* no callback gets that much */
    void *copy = arena.bytes + used;
    used += room;
    return memcpy(copy, original, size);
}

void lend_end(void) {
    memset(arena.bytes + start, POISON_BYTE, used - start);
    start = used = ARENA - used < LONGEST_LOAN ? 0 : used;
}
#endif

const wchar_t *lend_text(const wchar_t *original) {
    return original == NULL ? NULL : lend_bytes(original, (wcslen(original) + 1) * sizeof *original);
}

const TConnectorAssetIdentifier *lend_asset(const TConnectorAssetIdentifier *original) {
    TConnectorAssetIdentifier copy = *original;
    copy.ticker = lend_text(copy.ticker);
    copy.exchange = lend_text(copy.exchange);
    return lend_bytes(&copy, sizeof copy);
}

const TAssetIDRec *lend_record(const TAssetIDRec *original) {
    TAssetIDRec copy = *original;
    copy.ticker = lend_text(copy.ticker);
    copy.exchange = lend_text(copy.exchange);
    return lend_bytes(&copy, sizeof copy);
}

const TConnectorAccountIdentifier *lend_account(const TConnectorAccountIdentifier *original) {
    TConnectorAccountIdentifier copy = *original;
    copy.account_id = lend_text(copy.account_id);
    copy.sub_account_id = lend_text(copy.sub_account_id);
    return lend_bytes(&copy, sizeof copy);
}

const TConnectorOrderIdentifier *lend_order_id(const TConnectorOrderIdentifier *original) {
    TConnectorOrderIdentifier copy = *original;
    copy.cl_order_id = lend_text(copy.cl_order_id);
    return lend_bytes(&copy, sizeof copy);
}
#endif
