/* Strings and records that a callback gets are lent: they die when it returns. A build with PROFITSIM_POISON makes that
 * visible: every callback gets copies, and when it has returned they are overwritten (and closed to AddressSanitizer), so
 * a client that kept a pointer reads poison instead of what happens to be there still. Any other build lends the originals.
 *
 * FIRE (internal.h) ends the loan. A thread's loans are its own: enumerations run on the caller's thread. */
#ifndef PROFITSIM_LEND_H
#define PROFITSIM_LEND_H

#include "profitsim.h"

enum { POISON_BYTE = 0xDB };

#ifdef PROFITSIM_POISON
const void *lend_bytes(const void *original, size_t size);
const wchar_t *lend_text(const wchar_t *original); /* NULL stays NULL */
const TConnectorAssetIdentifier *lend_asset(const TConnectorAssetIdentifier *original);
const TAssetIDRec *lend_record(const TAssetIDRec *original);
const TConnectorAccountIdentifier *lend_account(const TConnectorAccountIdentifier *original);
const TConnectorOrderIdentifier *lend_order_id(const TConnectorOrderIdentifier *original);
void lend_end(void);
#else
#define lend_bytes(original, size) ((const void *)(original))
#define lend_text(original) (original)
#define lend_asset(original) (original)
#define lend_record(original) (original)
#define lend_account(original) (original)
#define lend_order_id(original) (original)
#define lend_end() ((void)0)
#endif

#endif
