/* FIX dialects: the check that makes any tables safe to run, and which message is which. */
#include "fix_rows.h"

_Static_assert(sizeof(gw_fix_row) == 32 && sizeof(gw_fix_message) == 72 && sizeof(gw_fix_dialect) == 56, "no hidden padding");
_Static_assert(sizeof(gw_report) == GW_REPORT_SIZE, "records are as generated");

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

static bool row_is_sound(const gw_fix_dialect *d, const gw_fix_row *row)
{
    uint8_t head[24];
    size_t n = gw_write_uint(head, row->tag);
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
        return row->text_len > 0 && (uint64_t)row->text_at + row->text_len <= d->text_size &&
               all_printable((const uint8_t *)d + d->text_at + row->text_at, row->text_len);
    return true;
}

static bool message_is_sound(const gw_fix_dialect *d, const gw_fix_message *m)
{
    if ((uint32_t)m->row_at + m->row_count > d->row_count || m->row_count > 255)
        return false;
    if (m->slot_shift < 22 || m->slot_shift > 31 || (uint64_t)m->slot_at + (1u << (32 - m->slot_shift)) > d->slot_count)
        return false;
    const uint8_t *slots = (const uint8_t *)d + d->slot_at + m->slot_at;
    for (size_t i = 0; i < 1u << (32 - m->slot_shift); i++)
        if (slots[i] > m->row_count)
            return false;
    size_t most = 0;
    for (size_t i = 0; i < m->row_count; i++) {
        const gw_fix_row *row = &rows_of(d)[m->row_at + i];
        if (!row_is_sound(d, row))
            return false;
        most += row->flags & GW_FIX_ROW_WRITE ? row->head_len + value_max(row) + 1 : 0;
    }
    return most <= m->body_max && m->body_max <= GW_FIX_BODY_MAX && m->msg_type != 0;
}

/* Whether `count` things of `size` bytes at `at` lie inside n bytes. */
static bool inside(size_t n, uint32_t at, uint32_t count, size_t size)
{
    return at >= sizeof(gw_fix_dialect) && at <= n && count <= (n - at) / size;
}

int gw_fix_dialect_check(const void *p, size_t n)
{
    const gw_fix_dialect *d = p;
    if (n < sizeof *d || n > INT32_MAX || ((uintptr_t)p & 7))
        return GW_E_TABLE;
    if (d->magic != GW_FIX_DIALECT_MAGIC || d->version != GW_FIX_DIALECT_VERSION || d->size != n)
        return GW_E_TABLE;
    if (d->record_size != GW_REPORT_SIZE || (d->message_at & 7) || (d->row_at & 7))
        return GW_E_TABLE;
    if (!inside(n, d->message_at, d->message_count, sizeof(gw_fix_message)) || !inside(n, d->row_at, d->row_count, sizeof(gw_fix_row)))
        return GW_E_TABLE;
    if (!inside(n, d->slot_at, d->slot_count, 1) || !inside(n, d->map_at, d->map_count, GW_FIX_MAP_SIZE) ||
        !inside(n, d->text_at, d->text_size, 1))
        return GW_E_TABLE;
    for (size_t i = 0; i < d->message_count; i++)
        if (!message_is_sound(d, &messages_of(d)[i]))
            return GW_E_TABLE;
    return (int)n;
}

int gw_fix_message_index(const gw_fix_dialect *d, uint32_t msg_type)
{
    for (int i = 0; i < d->message_count; i++)
        if (messages_of(d)[i].msg_type == msg_type)
            return i;
    return GW_E_TYPE;
}
