/* What the check of a dialect's tables, the decoder and the encoder share: where things lie in a dialect, how a fault is told,
 * what is printable. Internal to the FIX codec. */
#ifndef GW_FIX_ROWS_H
#define GW_FIX_ROWS_H

#include "fix.h"
#include "fix_text.h"

typedef enum gw_fix_kind kind;

static inline const gw_fix_message *messages_of(const gw_fix_dialect *d)
{
    return (const gw_fix_message *)(const void *)((const uint8_t *)d + d->message_at);
}

static inline const gw_fix_row *rows_of(const gw_fix_dialect *d)
{
    return (const gw_fix_row *)(const void *)((const uint8_t *)d + d->row_at);
}

static inline const uint8_t *map_of(const gw_fix_dialect *d, unsigned map)
{
    return (const uint8_t *)d + d->map_at + (size_t)map * GW_FIX_MAP_SIZE;
}

/* The constant of a CONST row. */
static inline const uint8_t *text_of(const gw_fix_dialect *d, const gw_fix_row *row)
{
    return (const uint8_t *)d + d->text_at + row->at;
}

/* The slots of a message. */
static inline const gw_fix_slot *slots_of(const gw_fix_dialect *d, const gw_fix_message *m)
{
    return (const gw_fix_slot *)(const void *)((const uint8_t *)d + d->slot_at) + m->slot_at;
}

/* The index of a message type in d, or GW_E_TYPE. */
static inline int index_of(const gw_fix_dialect *d, uint32_t msg_type)
{
    const gw_fix_message *m = messages_of(d);
    for (int i = 0; i < d->message_count; i++)
        if (m[i].msg_type == msg_type)
            return i;
    return GW_E_TYPE;
}

static inline int fault(gw_fault *f, int code, uint32_t offset, uint32_t tag, unsigned bit)
{
    f->code = code;
    f->offset = offset;
    f->field = (uint16_t)tag;
    f->bit = (uint16_t)bit;
    return code;
}

static inline unsigned bit_of(const gw_fix_row *row)
{
    return row->bit + (row->has_offset ? 64u : 0u);
}

static inline bool all_printable(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < 32 || p[i] > 126)
            return false;
    return true;
}

/* Whether all eight bytes of x are printable ASCII. */
static inline bool is_printable8(uint64_t x)
{
    return (((x - 0x2020202020202020u) | (x + GW_ONES) | x) & 0x8080808080808080u) == 0;
}

#endif
