/* Fuzz entry of everything that reads FIX: frames, index, records, given fields, masks, re-sent frames, and dialect tables.
 *
 * The first byte chooses: 0..127 the rest is a stream, decoded with a dialect that has a row of every kind; bit 6 makes its first
 * frame's length and sum right first, so that a fuzzer gets behind them. 128 and up: the rest is a dialect's table. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../fix.h"

#define REQUIRE(what) do { if (!(what)) abort(); } while (0)
#define ROOM 8192
#define CANARY 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A dialect of one message, with a row of every kind. Slots are the low ten bits of the tag. */
static struct {
    gw_fix_dialect head;
    gw_fix_message message;
    gw_fix_row rows[16];
    uint8_t maps[2 * GW_FIX_MAP_SIZE];
    gw_fix_slot slots[1024];
    uint8_t texts[8];
    uint8_t given[2 * (16 + GW_FIX_GIVEN_MORE)];
} small;

#define ROW(TAG, HEAD, KIND, RECORD, FIELD, BIT, HAS, FLAGS, MAP) \
    {TAG, offsetof(gw_report, RECORD FIELD), HAS, BIT, GW_FIX_KIND_##KIND, sizeof(((gw_report *)0)->RECORD FIELD), FLAGS, MAP, sizeof HEAD, 2, 0, "\x01" HEAD, 0, 0, {0, 0}}
#define BOTH (GW_FIX_ROW_READ | GW_FIX_ROW_WRITE)
#define HAS2 offsetof(gw_report, has2)

static const gw_fix_row rows[16] = {
    ROW(1, "1=", TEXT, order., account, GW_HAS_ACCOUNT, 0, BOTH | GW_FIX_ROW_MILD, 0),
    ROW(6, "6=", AVG, , avg_px, GW_HAS2_AVG_PX, HAS2, BOTH, 0),
    ROW(11, "11=", TEXT, order., cl_ord_id, GW_HAS_CL_ORD_ID, 0, BOTH, 0),
    ROW(18, "18=", MARK, order., post_only, GW_HAS_POST_ONLY, 0, BOTH, '6'),
    ROW(38, "38=", QTY, order., order_qty, GW_HAS_ORDER_QTY, 0, BOTH, 0),
    ROW(44, "44=", PRICE, order., price, GW_HAS_PRICE, 0, BOTH, 0),
    ROW(45, "45=", UINT, , ref_seq_num, GW_HAS2_REF_SEQ_NUM, HAS2, BOTH, 0),
    ROW(54, "54=", ENUM, order., side, GW_HAS_SIDE, 0, BOTH, 0),
    ROW(58, "58=", NOTE, , text, GW_HAS2_TEXT, HAS2, BOTH, 0),
    ROW(60, "60=", TIME, order., transact_time, GW_HAS_TRANSACT_TIME, 0, BOTH, 0),
    ROW(75, "75=", DATE, , trade_date, GW_HAS2_TRADE_DATE, HAS2, BOTH, 0),
    ROW(103, "103=", UINT, , ord_rej_reason, GW_HAS2_ORD_REJ_REASON, HAS2, BOTH, 0),
    ROW(103, "103=", CODE, , reason, GW_HAS2_REASON, HAS2, GW_FIX_ROW_WRITE | GW_FIX_ROW_ELSE, 1),
    ROW(114, "114=", BOOL, order., locate_reqd, GW_HAS_LOCATE_REQD, 0, BOTH, 0),
    ROW(372, "372=", TEXT, , ref_msg_type, GW_HAS2_REF_MSG_TYPE, HAS2, BOTH, 0),
    ROW(585, "585=", CONST, order., side, GW_HAS_SIDE, 0, GW_FIX_ROW_WRITE | GW_FIX_ROW_IF, '1'),
};

static const gw_fix_dialect *small_dialect(void)
{
    if (small.head.magic)
        return &small.head;
    small.head = (gw_fix_dialect){
        .magic = GW_FIX_DIALECT_MAGIC, .version = GW_FIX_DIALECT_VERSION, .message_count = 1, .size = sizeof small, .record_size = GW_REPORT_SIZE,
        .message_at = sizeof(gw_fix_dialect), .row_at = sizeof(gw_fix_dialect) + sizeof(gw_fix_message), .row_count = 16,
        .map_at = sizeof(gw_fix_dialect) + sizeof(gw_fix_message) + sizeof rows, .map_count = 2, .slot_count = 1024, .text_size = 8};
    small.head.slot_at = small.head.map_at + sizeof small.maps;
    small.head.text_at = small.head.slot_at + sizeof small.slots;
    small.head.given_at = small.head.text_at + sizeof small.texts;
    small.message = (gw_fix_message){.msg_type = 'D', .slot_factor = 1u << 22, .slot_shift = 22, .row_count = 16, .body_max = 640, .kind = 'D',
                                     .may_out = UINT64_MAX, .may_out2 = UINT64_MAX};
    memcpy(small.rows, rows, sizeof rows);
    for (unsigned i = 0; i < 16; i++)
        if (rows[i].flags & GW_FIX_ROW_READ)
            small.slots[rows[i].tag] = (gw_fix_slot){.tag = rows[i].tag, .row = (uint16_t)i};
    small.maps['1'] = small.maps[256 + '1'] = '1';
    small.maps['2'] = small.maps[256 + '2'] = '2';
    memset(small.maps + GW_FIX_MAP_SIZE + 256, 100, 256);
    memcpy(small.texts, "78", 2);
    REQUIRE(gw_fix_dialect_prepare(&small, sizeof small) == sizeof small);
    REQUIRE(gw_fix_dialect_check(&small, sizeof small) == sizeof small);
    return &small.head;
}

static gw_fix_head header(void)
{
    gw_fix_head h;
    static const uint8_t more[] = {50, 0, 1, 0, 'S', 128, 0, 2, 0, 'D', 'C'};
    REQUIRE(gw_fix_head_init(&h, (const uint8_t *)"FIX.4.4", 7, (const uint8_t *)"GW", 2, (const uint8_t *)"V", 1, more, sizeof more) == 1);
    h.msg_seq_num = 7;
    h.sending_time = h.orig_sending_time = 1795161600123000000;
    return h;
}

/* Encodes message i of d from r twice with one short header, which the second time is made of the first; each must be as a new header has it. */
static void try_next(const gw_fix_dialect *d, unsigned i, const gw_report *r)
{
    static uint8_t out[ROOM], plain[ROOM];
    gw_fault f;
    gw_fix_head h, other;
    REQUIRE(gw_fix_head_init(&h, (const uint8_t *)"FIX.4.4", 7, (const uint8_t *)"GW", 2, (const uint8_t *)"V", 1, NULL, 0) == 1);
    other = h;
    for (unsigned k = 0; k < 2; k++) {
        h.msg_seq_num = other.msg_seq_num = 7038 + 961 * k;
        h.sending_time = other.sending_time = 1795161600123000000 + 876000000 * (int64_t)k;
        const int n = gw_fix_encode(d, i, &h, r, out, ROOM, &f);
        REQUIRE(gw_fix_encode_plain(d, i, &other, r, plain, ROOM, &f) == n);
        REQUIRE(n < 0 || memcmp(out, plain, (size_t)n) == 0);
    }
}

/* Encodes message i of d from r at a few buffer sizes; nothing may be written behind them, and what is written must be a frame, the same
 * on every processor. */
static void try_encode(const gw_fix_dialect *d, unsigned i, const gw_report *r)
{
    static uint8_t out[ROOM + CANARY], plain[ROOM];
    static gw_fix_msg m;
    gw_fault f, g;
    gw_fix_head h = header();
    const int n = gw_fix_encode(d, i, &h, r, out, ROOM, &f);
    REQUIRE(gw_fix_encode_plain(d, i, &h, r, plain, ROOM, &g) == n && memcmp(&f, &g, sizeof f) == 0);
    if (n < 0)
        return;
    REQUIRE(memcmp(out, plain, (size_t)n) == 0);
    REQUIRE(gw_fix_frame(out, (size_t)n, GW_FIX_FRAME_MAX) == n);
    REQUIRE(gw_fix_scan(out, (size_t)n, &m) == n && m.msg_seq_num == 7);
    memset(out, 0xa5, sizeof out);
    REQUIRE(gw_fix_encode(d, i, &h, r, out, (size_t)n, &f) == n);
    REQUIRE(gw_fix_encode(d, i, &h, r, out, (size_t)n - 1, &f) == GW_E_SPACE);
    for (size_t j = 0; j < CANARY; j++)
        REQUIRE(out[(size_t)n + j] == 0xa5);
}

/* A record that was read can be written, unless it holds something that only reading allows; and what was written reads the same. */
static void try_records(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *m)
{
    gw_report r, other;
    gw_fault f, fault;
    static gw_fix_plans plans; /* also of inputs before: what they leave must not matter */
    const int message = gw_fix_decode(d, p, m, &r, &f);
    for (int i = 0; i < 10; i++) {
        REQUIRE(gw_fix_decode_like(d, p, m, &plans, &other, &fault) == message);
        REQUIRE(memcmp(&r, &other, sizeof r) == 0 && memcmp(&f, &fault, sizeof f) == 0);
    }
    REQUIRE(gw_fix_decode_plain(d, p, m, &other, &fault) == message);
    REQUIRE(memcmp(&r, &other, sizeof r) == 0 && memcmp(&f, &fault, sizeof f) == 0);
    REQUIRE(gw_fix_decode_long(d, p, m, &other, &fault) == message);
    REQUIRE(memcmp(&r, &other, sizeof r) == 0 && memcmp(&f, &fault, sizeof f) == 0);
    REQUIRE(message >= 0 ? message < d->message_count : f.code == message);
    if (message >= 0) {
        try_encode(d, (unsigned)message, &r);
        try_next(d, (unsigned)message, &r);
    }
}

static void try_resent(const uint8_t *p, size_t n)
{
    static gw_fix_msg m;
    uint8_t *out = malloc(n + GW_FIX_REDUP_MORE);
    REQUIRE(out);
    const int k = gw_fix_redup(p, n, 1795161700000000000, out, n + GW_FIX_REDUP_MORE);
    if (k > 0) {
        REQUIRE((size_t)k <= n + GW_FIX_REDUP_MORE && gw_fix_frame(out, (size_t)k, GW_FIX_FRAME_MAX) == k);
        REQUIRE(gw_fix_scan(out, (size_t)k, &m) == k && m.poss_dup && m.sending_time == 1795161700000000000);
    }
    free(out);
}

static void try_mask(const uint8_t *p, size_t n)
{
    static const uint16_t secret[] = {554, 925, 96};
    static gw_fix_msg before, after;
    uint8_t *copy = malloc(n ? n : 1);
    REQUIRE(copy);
    memcpy(copy, p, n);
    const int sound = gw_fix_scan(p, n, &before);
    REQUIRE(gw_fix_mask(copy, n, secret, 3) >= 0);
    if (sound > 0)
        REQUIRE(gw_fix_scan(copy, n, &after) == sound && after.msg_seq_num == before.msg_seq_num);
    free(copy);
}

static void try_fields(const uint8_t *p, size_t n)
{
    static uint8_t out[1 << 17];
    static gw_fix_msg m;
    gw_fix_head h = header();
    const int k = gw_fix_encode_fields(&h, 'B', p, n, out, sizeof out);
    if (k > 0) {
        REQUIRE(gw_fix_frame(out, (size_t)k, GW_FIX_FRAME_MAX) == k);
        const int scanned = gw_fix_scan(out, (size_t)k, &m);
        REQUIRE(scanned == k || scanned == GW_E_FIELDS);
    }
}

/* Whatever shapes were given before, a scan with them says the same as one without. */
static void scan_both(const uint8_t *p, size_t n, gw_fix_shapes *shapes)
{
    static gw_fix_msg like, plain;
    const int r = gw_fix_scan_plain(p, n, &plain);
    REQUIRE(gw_fix_scan_like(p, n, shapes, &like) == r);
    if (r > 0)
        REQUIRE(memcmp(&like, &plain, offsetof(gw_fix_msg, field) + plain.field_count * sizeof plain.field[0]) == 0);
}

/* A frame is scanned until its shape is known, then with a byte of it changed and its sum put right, at places that its own bytes choose.
 * Every second change stays. */
static void try_shapes(const uint8_t *data, size_t n)
{
    static gw_fix_shapes shapes;
    uint8_t *p = malloc(n);
    REQUIRE(p);
    memcpy(p, data, n);
    memset(&shapes, 0, sizeof shapes);
    for (int i = 0; i < 8; i++)
        scan_both(p, n, &shapes);
    unsigned at = gw_fix_sum(p, n);
    for (unsigned i = 0; i < 24 && n > 20; i++) {
        at = at * 31 + p[at % n] + i;
        uint8_t *byte = p + at % (n - 7), was = *byte;
        *byte = (uint8_t)"\x01=09A.:-"[at >> 8 & 7];
        const unsigned sum = gw_fix_sum(p, n - 7);
        p[n - 4] = (uint8_t)('0' + sum / 100);
        p[n - 3] = (uint8_t)('0' + sum / 10 % 10);
        p[n - 2] = (uint8_t)('0' + sum % 10);
        scan_both(p, n, &shapes);
        if (i & 1)
            *byte = was;
    }
    free(p);
}

/* One frame, in memory of its own size. */
static void try_frame(const uint8_t *data, size_t n)
{
    static gw_fix_msg m, plain;
    uint8_t *p = malloc(n);
    REQUIRE(p);
    memcpy(p, data, n);
    const int r = gw_fix_scan(p, n, &m);
    REQUIRE(r == (int)n || r < 0);
    REQUIRE(gw_fix_scan_plain(p, n, &plain) == r);
    if (r > 0) {
        REQUIRE(memcmp(&m, &plain, offsetof(gw_fix_msg, field) + m.field_count * sizeof m.field[0]) == 0);
        try_records(small_dialect(), p, &m);
        try_resent(p, n);
    }
    try_mask(p, n);
    free(p);
    try_shapes(data, n);
}

/* Puts 9 and 10 of a buffer that begins 8=…|9=nnn| and ends 10=nnn| right. */
static void seal(uint8_t *p, size_t n)
{
    const uint8_t *soh = memchr(p, 1, n);
    if (!soh || n < 40 || soh + 7 > p + n - 8 || soh[1] != '9' || soh[2] != '=' || soh[6] != 1)
        return;
    uint8_t *nine = p + (soh - p) + 3;
    const size_t body = n - 7 - (size_t)(nine + 4 - p);
    const uint8_t digits[3] = {(uint8_t)('0' + body / 100 % 10), (uint8_t)('0' + body / 10 % 10), (uint8_t)('0' + body % 10)};
    memcpy(nine, digits, 3);
    const unsigned sum = gw_fix_sum(p, n - 7);
    const uint8_t trailer[8] = {'1', '0', '=', (uint8_t)('0' + sum / 100), (uint8_t)('0' + sum / 10 % 10), (uint8_t)('0' + sum % 10), 1, 0};
    memcpy(p + n - 7, trailer, 7);
}

static void fuzz_stream(uint8_t *p, size_t n, bool right)
{
    try_fields(p, n);
    try_mask(p, n);
    if (right)
        seal(p, n);
    for (size_t at = 0; at < n;) {
        int k = gw_fix_frame(p + at, n - at, 4096);
        if (k > 0)
            try_frame(p + at, (size_t)k);
        else if (k < 0)
            k = gw_fix_resync(p + at, n - at, 4096);
        REQUIRE(k >= 0 && (size_t)k <= n - at);
        if (k == 0) {
            REQUIRE(n - at < 4096);
            break;
        }
        at += (size_t)k;
    }
}

/* A table that the check lets through must be harmless, whatever it makes of these. Rows that share bytes of the record need not read the
 * same by every way. */
static void fuzz_table(const uint8_t *data, size_t size)
{
    static const char order[] = "8=FIX.4.4|9=255|35=D|34=1|49=S|52=20261120-08:00:00.000|56=T|1=A|6=1.5|11=ORD0000000001|18=6|38=100|40=2|41=B|44=415.25|45=9|"
                                "54=1|55=MSFT|58=x|59=0|60=20261120-08:00:00|75=20261120|99=1|102=1|103=3|114=Y|126=20261120-08:00:00|150=F|151=0|372=D|432=20261120|0=1|10=000|";
    static gw_fix_msg m;
    uint64_t *table = malloc(size + 8);
    REQUIRE(table);
    memcpy(table, data, size);
    const gw_fix_dialect *d = (const gw_fix_dialect *)(const void *)table;
    if (gw_fix_dialect_check(table, size) > 0) {
        gw_report full;
        memset(&full, 0, sizeof full);
        memset(&full, '1', 440);
        full.order.has = full.has2 = UINT64_MAX;
        full.order.px_exp = full.order.qty_exp = -8;
        full.order.transact_time = full.order.expire_time = 1;
        for (unsigned i = 0; i < d->message_count && i < 64; i++) {
            uint8_t p[sizeof order - 1];
            const gw_fix_message *message = (const gw_fix_message *)(const void *)((const uint8_t *)table + d->message_at) + i;
            for (size_t j = 0; j < sizeof p; j++)
                p[j] = order[j] == '|' ? 1 : (uint8_t)order[j];
            if (message->msg_type < 256 && message->msg_type > 32)
                p[19] = (uint8_t)message->msg_type;
            seal(p, sizeof p);
            if (gw_fix_scan(p, sizeof p, &m) > 0) {
                gw_report *r = malloc(sizeof *r);
                gw_fault f;
                REQUIRE(r);
                gw_fix_decode_long(d, p, &m, r, &f);
                gw_fix_decode_plain(d, p, &m, r, &f);
                const int index = gw_fix_decode(d, p, &m, r, &f);
                if (index >= 0)
                    try_encode(d, (unsigned)index, r);
                free(r);
            }
            try_encode(d, i, &full);
        }
    }
    free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] >= 128) {
        fuzz_table(data + 1, size - 1);
        return 0;
    }
    uint8_t *copy = malloc(size);
    REQUIRE(copy);
    memcpy(copy, data + 1, size - 1);
    fuzz_stream(copy, size - 1, data[0] & 64);
    free(copy);
    return 0;
}
