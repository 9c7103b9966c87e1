/* What the files of the simulated library share: the one session, and each file's part of it.
 *
 * Two kinds of threads: the caller's, and the ConnectorThread, which alone reads the socket and runs every callback.
 * `lock` guards the caches (books, orders, accounts, positions, clock, notices); no callback runs while it is held.
 * `send_lock` guards the socket's life and what is written to it. Flags that both sides read are atomic. */
#ifndef PROFITSIM_INTERNAL_H
#define PROFITSIM_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "lend.h"
#include "platform.h"
#include "profitsim.h"
#include "wire.h"

enum { MAX_INSTRUMENTS = 64, MAX_ACCOUNTS = 16, MAX_POSITIONS = 512, MAX_NOTICES = 64, DATE_LENGTH = 24 };

typedef struct {
    int32_t count; /* levels that are there, best first */
    double price[WIRE_LEVELS];
    int64_t quantity[WIRE_LEVELS];
    uint32_t orders[WIRE_LEVELS];
} book_side;

typedef struct {
    wchar_t ticker[17], exchange[5];
    TConnectorAssetIdentifier asset; /* points at the two above */
    TAssetIDRec record;
    double point_value;
    atomic_int state;
    atomic_bool trades, depth; /* what the caller asked for */
    atomic_bool offers;
    atomic_bool whole_book, whole_offers; /* the next book is announced as a full one */
    int32_t group_left;                   /* books until the flush; 0: no group is open */
    bool group_lone;                      /* this group has neither prepare nor flush */
    book_side side[2];         /* BOOK_BUY, BOOK_SELL; written by the ConnectorThread under `lock` */
    uint32_t book_flags;
    double theoretical_price;
    int64_t theoretical_quantity;
} instrument_t;

typedef struct {
    int32_t broker;
    uint32_t flags;
    wchar_t account[33], sub_account[33], broker_name[65], owner_name[65];
    char account_utf8[32], sub_account_utf8[32];
    TConnectorAccountIdentifier id; /* points at the names */
} account_t;

/* Something for the ConnectorThread to tell that no message of the exchange brings. */
typedef enum { NOTICE_INVALID_TICKER, NOTICE_TICKER_STATE, NOTICE_ORDER_HISTORY } notice_kind;
typedef struct {
    notice_kind kind;
    int32_t index; /* of an instrument or of an account */
    wchar_t ticker[17], exchange[5];
} notice_t;

typedef struct {
    _Atomic(StateCallback) state;
    _Atomic(TradeCallback) trade, history;
    _Atomic(DepthCallback) depth;
    _Atomic(OfferBookCallback) offer_book;
    _Atomic(OrderCallback) order;
    _Atomic(AccountCallback) order_history;
    _Atomic(ProgressCallback) progress;
    _Atomic(DailyCallback) daily;
    _Atomic(TickerStateCallback) ticker_state;
    _Atomic(AssetCallback) invalid_ticker;
    _Atomic(PositionCallback) position;
    _Atomic(AccountListCallback) account_list;
} callbacks_t;

typedef struct {
    mutex_t lock, send_lock;
    atomic_bool running;   /* between initialise and finalise */
    atomic_bool stopping;  /* finalise asks the ConnectorThread to end */
    atomic_bool connected; /* logged in at the moment */
    atomic_bool told;      /* logged in once: the caches hold what the exchange told */
    atomic_int refused;    /* requests made from inside a callback */
    bool full;             /* with routing */
    callbacks_t callbacks;
    wire_login login;
    instrument_t instruments[MAX_INSTRUMENTS];
    atomic_int instrument_count;
    account_t accounts[MAX_ACCOUNTS];
    int32_t account_count;
} sim_t;

extern sim_t sim;
extern _Thread_local bool on_connector; /* true on the ConnectorThread */

#define FIRE(name, ...)                                                                                                \
    do {                                                                                                               \
        __typeof__(atomic_load(&sim.callbacks.name)) callback_ = atomic_load(&sim.callbacks.name);                     \
        if (callback_ != NULL) callback_(__VA_ARGS__);                                                                 \
        lend_end();                                                                                                    \
    } while (0)

/* convert.c: text, and market time (UTC ns) to and from exchange local time */
void to_wide(const char *utf8, size_t size, wchar_t *out, size_t capacity);
bool to_utf8(const wchar_t *text, char *out, size_t size); /* false: does not fit */
void hand_out(const wchar_t *text, wchar_t *buffer, int32_t *length);
int64_t utc_offset_ns(int64_t local_days);
int64_t local_ns(int64_t utc);
SystemTime local_time(int64_t utc_ns); /* all zero for 0 */
int64_t utc_ns(const SystemTime *local);
bool parse_local(const wchar_t *text, int64_t *utc);
void format_local(int64_t ns, wchar_t out[DATE_LENGTH]);

/* session.c */
void log_line(const char *format, ...);
int32_t query_gate(bool routing);   /* NL_OK when the caches may be asked */
int32_t request_gate(bool routing); /* NL_OK when the exchange may be asked */
int64_t market_now_ns(void);
void post_notice(const notice_t *notice);
void run_notices(void);   /* the ConnectorThread tells what was posted */
void session_reset(void); /* everything that a session learnt is forgotten */
bool handle_message(uint16_t type, const void *body); /* as all on_...: false gives the connection up */

/* wire.c */
void wire_reset(void);
size_t wire_body_size(uint16_t type); /* of what an exchange sends; 0: it sends no such message */
bool wire_configure(const wchar_t *host, const wchar_t *port);
bool wire_configured(void);
bool wire_connect(void);
bool wire_send(uint16_t type, const void *body, uint32_t size);
bool wire_receive(void); /* handles what has come, waits a little when nothing has; false: connection lost */
uint8_t *wire_room(uint32_t *size);  /* where received bytes go, and how many may come */
bool wire_received(uint32_t size);   /* so many came: handles the whole frames among them; false: nonsense */
void wire_close(void);
void wire_interrupt(void); /* from another thread: makes wire_receive return */

/* faults.c */
void faults_reset(void);
bool on_fault(const wire_fault *);
int32_t fault_of_details(void); /* NL_OK, or what this call of GetOrderDetails has to answer */
void fault_may_abort(void);
bool fault_of_full_book(void);
int32_t fault_of_groups(void);                    /* how many books the group that begins shall have */
int32_t fault_of_offer_packets(int32_t otherwise); /* how many offers a packet has */

/* market.c */
void market_reset(void);
void market_resubscribe(void);
instrument_t *instrument_numbered(int32_t index); /* by the exchange's number; NULL: none */
instrument_t *instrument_find(const TConnectorAssetIdentifier *asset);
int32_t instrument_number(const instrument_t *instrument);
bool on_instrument(const wire_instrument *);
bool on_trade(const wire_trade *, bool history);
bool on_history_end(const wire_history_end *);
bool on_ticker_state(const wire_ticker_state *);
bool on_daily(const wire_daily *);

/* depth.c, offers.c */
bool on_book(const wire_book *);
void depth_restart(instrument_t *instrument);
void tell_offers(instrument_t *instrument, const book_side old[2], int64_t ts_ns);

/* orders.c, accounts.c */
void orders_reset(void);
bool on_order(const wire_order *, bool told_at_login);
bool order_copy(const char cl_order_id[32], int64_t local_id, wire_order *out, const wchar_t **permanent);
bool order_at(int32_t i, wire_order *out); /* the i-th as a copy; false: there are no more */
void accounts_reset(void);
account_t *account_find(const TConnectorAccountIdentifier *id);
bool on_account(const wire_account *);
bool on_position(const wire_position *, bool told_at_login);
void announce_accounts(void);
bool position_find(const account_t *account, const instrument_t *instrument, wire_position *out);

#endif
