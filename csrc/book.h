/* The matching core: books of many symbols under one profile, as a pure machine of messages and time.
 *
 * Messages go in, events come out in the order they happen, both as fixed-size little-endian records. There is no malloc, clock,
 * I/O or global here: the caller gives the memory (book_size), the time (now_ns of each message) and the room for events.
 * The readable specification is simulators/matching/twin.py; what every field and number means is in its records.py.
 */
#ifndef BOOK_H
#define BOOK_H

#include <stdint.h>

#define BOOK_STEPS 8
#define BOOK_TICKS 8
#define BOOK_PHASES 8
/* The most events one step of the machine may emit: the least room book_run can work with. */
#define BOOK_ROOM 8
#define BOOK_MAX_ORDERS 8000000

typedef struct {
    uint8_t kind, side, ord_type, tif;
    uint16_t flags;
    uint8_t peg, stp_mode;
    uint32_t symbol, session, account, stp_id;
    uint64_t seq, order_id, new_order_id;
    int64_t now_ns, px, qty, stop_px, display_qty, min_qty, expire_ns;
    uint32_t phase, spare;
} book_msg;

typedef struct {
    uint8_t kind, side, reason, flags;
    uint32_t symbol;
    uint64_t seq;
    int64_t now_ns;
    uint64_t order_id, match_id;
    int64_t px, qty, leaves_qty, match_leaves_qty;
    uint64_t trade_id;
    uint32_t session, match_session, account, match_account;
} book_event;

/* A profile (simulators/matching/profiles.py) and the sizes of the pools. */
typedef struct {
    uint32_t symbols, max_orders, max_trades;
    uint16_t accepts[8]; /* by phase */
    uint16_t keeps;
    uint8_t first_phase, replace_total, zero_qty, stp;
    uint8_t market_rests, level_data, order_data, steps, short_expires, unused[3];
    uint8_t allocation[8];
    uint32_t ticks;
    int64_t tick_from[8], tick[8];
    int64_t top_min, top_max, pro_rata_min, lot;
    int64_t lmm_bps, split_bps, band_bps, dynamic_bps, protection, luld_unit;
} book_config;

typedef struct {
    uint8_t has_bid, has_ask;
    int64_t bid_px, bid_qty, ask_px, ask_qty;
} book_quote_view;

typedef struct {
    int64_t px, qty, count;
} book_level_view;

typedef struct {
    uint64_t order_id;
    uint32_t symbol;
    uint8_t side, on_book;
    int64_t px, leaves_qty, cum_qty, shown_qty;
} book_order_view;

typedef struct {
    uint8_t has_px;
    int64_t px, volume, surplus;
} book_indication_view;

typedef struct {
    int64_t trades, volume, open_px, high_px, low_px, last_px; /* prices mean nothing while trades is 0 */
} book_statistics_view;

typedef struct book_exchange book_exchange;

/* Bytes of memory an exchange of this configuration needs; 0 when the configuration is not possible. Most of it is touched
 * only when orders fill it. */
uint64_t book_size(const book_config *config);

/* Make an exchange in `memory`, which is book_size(config) zeroed bytes, aligned to 64, the caller's, and must outlive it.
 * Returns NULL when the configuration is not possible. */
book_exchange *book_init(void *memory, const book_config *config);

/* Apply up to `count` messages (any alignment), write at most `room` events (room >= BOOK_ROOM). Returns the events written and
 * sets *taken to the messages begun. When the room ran out, the last message taken may be half done (book_busy): call again, with
 * the messages not taken (or none), and it goes on where it stopped; no event is lost. */
uint64_t book_run(book_exchange *x, const uint8_t *messages, uint64_t count, book_event *events, uint64_t room, uint64_t *taken);

/* 1 while a message is half done. */
int book_busy(const book_exchange *x);

/* Questions. Symbols must be below config->symbols. */
void book_quote(const book_exchange *x, uint32_t symbol, book_quote_view *out);
uint32_t book_depth(const book_exchange *x, uint32_t symbol, uint8_t side, book_level_view *out, uint32_t room);
int book_order(const book_exchange *x, uint64_t order_id, book_order_view *out);
void book_indication(book_exchange *x, uint32_t symbol, book_indication_view *out);
void book_statistics(const book_exchange *x, uint32_t symbol, book_statistics_view *out);
uint8_t book_phase(const book_exchange *x, uint32_t symbol);
uint32_t book_live(const book_exchange *x);
/* What decides the next events, in 64 bits; trades kept for a bust do not count. */
uint64_t book_state_hash(const book_exchange *x);

#endif
