/* FIX dialects: what encode and decode derive from the rows, the check that makes any tables safe to run, and which message is which. */
#include "fix_rows.h"

_Static_assert(sizeof(gw_fix_row) == 32 && sizeof(gw_fix_slot) == 32 && sizeof(gw_fix_message) == 80 && sizeof(gw_fix_dialect) == 56, "no hidden padding");
_Static_assert(sizeof(gw_report) == GW_REPORT_SIZE, "records are as generated");

/* Whether `count` things of `size` bytes at `at` lie inside n bytes. */
static bool inside(size_t n, uint32_t at, uint32_t count, size_t size)
{
    return at >= sizeof(gw_fix_dialect) && at <= n && count <= (n - at) / size;
}

static bool sections_lie_inside(const gw_fix_dialect *d, size_t n)
{
    if ((d->message_at & 7) || (d->row_at & 7) || (d->slot_at & 7) || d->row_count > INT32_MAX - GW_FIX_GIVEN_MORE)
        return false;
    return inside(n, d->message_at, d->message_count, sizeof(gw_fix_message)) && inside(n, d->row_at, d->row_count, sizeof(gw_fix_row)) &&
           inside(n, d->slot_at, d->slot_count, sizeof(gw_fix_slot)) && inside(n, d->map_at, d->map_count, GW_FIX_MAP_SIZE) &&
           inside(n, d->text_at, d->text_size, 1) && inside(n, d->given_at, d->row_count + GW_FIX_GIVEN_MORE, 2);
}

/* Most bytes of a value of this row on the wire. */
static size_t value_max(const gw_fix_row *row)
{
    switch ((kind)row->kind) {
    case GW_FIX_KIND_TEXT: case GW_FIX_KIND_NOTE: return row->width;
    case GW_FIX_KIND_UINT: return 20;
    case GW_FIX_KIND_CODE: return 3;
    case GW_FIX_KIND_PRICE: case GW_FIX_KIND_QTY: case GW_FIX_KIND_AVG: return 40;
    case GW_FIX_KIND_TIME: return 21;
    case GW_FIX_KIND_DATE: return 8;
    case GW_FIX_KIND_CONST: return row->text_len;
    default: return 1;
    }
}

static bool width_fits(const gw_fix_row *row)
{
    unsigned w = row->width;
    switch ((kind)row->kind) {
    case GW_FIX_KIND_NONE: return w == 1;
    case GW_FIX_KIND_TEXT: case GW_FIX_KIND_NOTE: return w >= 1 && w <= 64;
    case GW_FIX_KIND_UINT: return w == 1 || w == 2 || w == 4 || w == 8;
    case GW_FIX_KIND_CODE: return w == 1 || w == 2 || w == 4;
    case GW_FIX_KIND_PRICE: case GW_FIX_KIND_QTY: case GW_FIX_KIND_AVG: case GW_FIX_KIND_TIME: return w == 8;
    case GW_FIX_KIND_DATE: return w == 4 || w == 8;
    case GW_FIX_KIND_ENUM: case GW_FIX_KIND_BOOL: case GW_FIX_KIND_MARK: case GW_FIX_KIND_CONST: return w == 1;
    default: return false;
    }
}

/* What a map writes: printable characters, for none 0. */
static bool map_is_sound(const uint8_t *map, kind k)
{
    for (size_t i = 256; k == GW_FIX_KIND_ENUM && i < GW_FIX_MAP_SIZE; i++)
        if (map[i] && !all_printable(map + i, 1))
            return false;
    return true;
}

/* ---- what encode derives ---- */

static uint8_t way_of(const gw_fix_row *row)
{
    if (row->flags & (GW_FIX_ROW_ELSE | GW_FIX_ROW_IF))
        return GW_FIX_WAY_ASK;
    switch ((kind)row->kind) {
    case GW_FIX_KIND_TEXT: case GW_FIX_KIND_NOTE: return row->offset + 33u <= GW_REPORT_SIZE ? GW_FIX_WAY_TEXT : GW_FIX_WAY_ASK;
    case GW_FIX_KIND_ENUM: return GW_FIX_WAY_ENUM;
    case GW_FIX_KIND_CONST: return row->text_len == 1 ? GW_FIX_WAY_CHAR : GW_FIX_WAY_ASK;
    case GW_FIX_KIND_PRICE: return GW_FIX_WAY_PRICE;
    case GW_FIX_KIND_QTY: return GW_FIX_WAY_QTY;
    case GW_FIX_KIND_AVG: return GW_FIX_WAY_AVG;
    case GW_FIX_KIND_TIME: return GW_FIX_WAY_TIME;
    default: return GW_FIX_WAY_ASK;
    }
}

/* Its constant must lie in d. */
static uint8_t stop_of(const gw_fix_dialect *d, const gw_fix_row *row)
{
    switch (way_of(row)) {
    case GW_FIX_WAY_TEXT: return row->width < 32 ? row->width : 32;
    case GW_FIX_WAY_CHAR: return text_of(d, row)[0];
    default: return 0;
    }
}

static uint32_t at_of(const gw_fix_dialect *d, const gw_fix_row *row)
{
    return row->kind == GW_FIX_KIND_ENUM ? d->map_at + row->map * (uint32_t)GW_FIX_MAP_SIZE + 256 : row->at;
}

/* Where encode looks whether the row is given: the byte of {has, has2}, then the bit. */
static void place_of(const gw_fix_row *row, uint8_t place[2])
{
    bool written = row->flags & GW_FIX_ROW_WRITE && row->kind != GW_FIX_KIND_NONE;
    bool always = written && row->kind == GW_FIX_KIND_CONST && !(row->flags & GW_FIX_ROW_IF);
    place[0] = written && !always ? (uint8_t)(bit_of(row) / 8) : 128;
    place[1] = (uint8_t)(always ? 0 : 1u << row->bit % 8);
}

static uint64_t else_rows_of(const gw_fix_dialect *d, const gw_fix_message *m)
{
    const gw_fix_row *rows = rows_of(d) + m->row_at;
    uint64_t set = 0;
    for (size_t i = 1; i < m->row_count && i < 64; i++) {
        const gw_fix_row *above = &rows[i - 1];
        bool sure = above->flags & GW_FIX_ROW_WRITE && !(above->flags & GW_FIX_ROW_IF) && above->kind != GW_FIX_KIND_NONE && above->kind != GW_FIX_KIND_MARK;
        if (rows[i].flags & GW_FIX_ROW_ELSE && sure)
            set |= 1ull << i;
    }
    return set;
}

static bool constant_is_inside(const gw_fix_dialect *d, const gw_fix_row *row)
{
    return row->text_len > 0 && (uint64_t)row->at + row->text_len <= d->text_size;
}

/* ---- what decode derives ---- */

static gw_fix_slot slot_of(const gw_fix_dialect *d, const gw_fix_row *row, uint16_t number)
{
    const uint64_t bit = 1ull << (row->bit & 63);
    return (gw_fix_slot){
        .tag = row->tag,
        .offset = row->offset,
        .kind = row->kind,
        .most = row->kind == GW_FIX_KIND_TEXT && row->width >= 16 ? 16 : 0,
        .map_at = row->kind == GW_FIX_KIND_ENUM ? d->map_at + row->map * (uint32_t)GW_FIX_MAP_SIZE : 0,
        .row = number,
        .has = row->has_offset ? 0 : bit,
        .has2 = row->has_offset ? bit : 0,
    };
}

static bool slots_lie_inside(const gw_fix_dialect *d, const gw_fix_message *m)
{
    return m->slot_shift >= 22 && m->slot_shift <= 31 && (uint64_t)m->slot_at + (1u << (32 - m->slot_shift)) <= d->slot_count;
}

/* Fills in the slots of a message that name a row. Returns false if they or the rows lie outside. */
static bool prepare_slots(gw_fix_dialect *d, const gw_fix_message *m)
{
    if (!slots_lie_inside(d, m))
        return false;
    gw_fix_slot *slots = (gw_fix_slot *)(void *)((uint8_t *)d + d->slot_at) + m->slot_at;
    for (size_t i = 0; i < 1u << (32 - m->slot_shift); i++) {
        uint64_t row = (uint64_t)m->row_at + slots[i].row;
        if (slots[i].tag && row >= d->row_count)
            return false;
        if (slots[i].tag)
            slots[i] = slot_of(d, &rows_of(d)[row], slots[i].row);
    }
    return true;
}

int gw_fix_dialect_prepare(void *p, size_t n)
{
    gw_fix_dialect *d = p;
    if (n < sizeof *d || ((uintptr_t)p & 7) || !sections_lie_inside(d, n))
        return GW_E_TABLE;
    uint8_t *given = (uint8_t *)p + d->given_at, place[2];
    size_t half = (size_t)d->row_count + GW_FIX_GIVEN_MORE;
    memset(given, 128, half);
    memset(given + half, 1, half);
    for (size_t i = 0; i < d->row_count; i++) {
        gw_fix_row *row = (gw_fix_row *)(void *)((uint8_t *)p + d->row_at) + i;
        if (row->kind == GW_FIX_KIND_CONST && !constant_is_inside(d, row))
            return GW_E_TABLE;
        row->at = at_of(d, row);
        row->way = way_of(row);
        row->stop = stop_of(d, row);
        place_of(row, place);
        given[i] = place[0];
        given[half + i] = place[1];
    }
    for (size_t i = 0; i < d->message_count; i++) {
        gw_fix_message *m = (gw_fix_message *)(void *)((uint8_t *)p + d->message_at) + i;
        if ((uint32_t)m->row_at + m->row_count > d->row_count || !prepare_slots(d, m))
            return GW_E_TABLE;
        m->else_rows = else_rows_of(d, m);
    }
    return (int)n;
}

/* ---- the check ---- */

/* Whether row i of the dialect is as gw_fix_dialect_prepare leaves it. */
static bool is_prepared(const gw_fix_dialect *d, size_t i)
{
    const gw_fix_row *row = &rows_of(d)[i];
    const uint8_t *given = (const uint8_t *)d + d->given_at;
    uint8_t place[2];
    place_of(row, place);
    return row->at == at_of(d, row) && row->way == way_of(row) && row->stop == stop_of(d, row) && given[i] == place[0] &&
           given[d->row_count + GW_FIX_GIVEN_MORE + i] == place[1];
}

static bool row_is_sound(const gw_fix_dialect *d, const gw_fix_row *row)
{
    uint8_t head[32] = {1};
    size_t n = 1 + gw_write_uint(head + 1, row->tag);
    head[n++] = '=';
    if (row->tag == 0 || row->tag > UINT16_MAX || row->head_len != n || memcmp(row->head, head, n) != 0)
        return false;
    if (!width_fits(row) || (uint32_t)row->offset + row->width > GW_REPORT_SIZE || row->bit > 63)
        return false;
    if (row->has_offset != 0 && row->has_offset != offsetof(gw_report, has2))
        return false;
    if (row->kind == GW_FIX_KIND_CODE && row->flags & GW_FIX_ROW_READ)
        return false;
    if (row->kind == GW_FIX_KIND_ENUM || row->kind == GW_FIX_KIND_CODE)
        return row->map < d->map_count && map_is_sound(map_of(d, row->map), (kind)row->kind);
    if (row->kind == GW_FIX_KIND_MARK)
        return all_printable(&row->map, 1);
    if (row->kind == GW_FIX_KIND_CONST)
        return constant_is_inside(d, row) && all_printable(text_of(d, row), row->text_len);
    return true;
}

/* Whether a slot of message m is empty, or what the row that it names makes of it. */
static bool slot_is_sound(const gw_fix_dialect *d, const gw_fix_message *m, const gw_fix_slot *slot)
{
    static const gw_fix_slot empty;
    if (memcmp(slot, &empty, sizeof empty) == 0)
        return true;
    if (slot->row >= m->row_count)
        return false;
    const gw_fix_row *row = &rows_of(d)[m->row_at + slot->row];
    const gw_fix_slot right = slot_of(d, row, slot->row);
    return row->flags & GW_FIX_ROW_READ && memcmp(slot, &right, sizeof right) == 0;
}

static bool message_is_sound(const gw_fix_dialect *d, const gw_fix_message *m)
{
    if ((uint32_t)m->row_at + m->row_count > d->row_count || m->row_count > 255)
        return false;
    if (!slots_lie_inside(d, m))
        return false;
    size_t most = 0;
    for (size_t i = 0; i < m->row_count; i++) {
        const gw_fix_row *row = &rows_of(d)[m->row_at + i];
        if (!row_is_sound(d, row) || !is_prepared(d, m->row_at + i))
            return false;
        most += row->flags & GW_FIX_ROW_WRITE ? row->head_len + value_max(row) : 0;
    }
    for (size_t i = 0; i < 1u << (32 - m->slot_shift); i++)
        if (!slot_is_sound(d, m, &slots_of(d, m)[i]))
            return false;
    return m->else_rows == else_rows_of(d, m) && most <= m->body_max && m->body_max <= GW_FIX_BODY_MAX && m->msg_type != 0;
}

int gw_fix_dialect_check(const void *p, size_t n)
{
    const gw_fix_dialect *d = p;
    if (n < sizeof *d || n > INT32_MAX || ((uintptr_t)p & 7))
        return GW_E_TABLE;
    if (d->magic != GW_FIX_DIALECT_MAGIC || d->version != GW_FIX_DIALECT_VERSION || d->size != n)
        return GW_E_TABLE;
    if (d->record_size != GW_REPORT_SIZE || !sections_lie_inside(d, n))
        return GW_E_TABLE;
    for (size_t i = 0; i < d->message_count; i++)
        if (!message_is_sound(d, &messages_of(d)[i]))
            return GW_E_TABLE;
    return (int)n;
}

int gw_fix_message_index(const gw_fix_dialect *d, uint32_t msg_type)
{
    return index_of(d, msg_type);
}
