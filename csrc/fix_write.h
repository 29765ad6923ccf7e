/* How a FIX frame is opened and closed; internal to the FIX codec. */
#ifndef GW_FIX_WRITE_H
#define GW_FIX_WRITE_H
#include "fix.h"
#include "fix_text.h"

#define GW_FIX_TRAILER 7 /* "10=nnn|" */

/* Writes the header of h from 8= up to and with the SOH before the body; BodyLength gets three places. At most GW_FIX_HEAD_MAX
 * bytes are stored. Returns their number, or GW_E_RANGE, GW_E_ARGUMENT. */
int gw_fix_open(gw_fix_head *h, uint32_t msg_type, uint8_t *out);

/* Completes the frame of out whose header and body are n bytes: writes BodyLength (moving the body if it has not three digits)
 * and the trailer. Returns the length, up to n + GW_FIX_TRAILER + 2. */
int gw_fix_close(const gw_fix_head *h, uint8_t *out, size_t n);

/* Whether ns lies in the second whose text h has; *rest is how far. */
static inline bool gw_fix_same_second(const gw_fix_head *h, int64_t ns, uint32_t *rest)
{
    uint64_t since = (uint64_t)ns - (uint64_t)h->second_ns;
    *rest = (uint32_t)since;
    return since < 1000000000u;
}

/* "YYYYMMDD-HH:MM:SS.sss", the time `rest` ns behind the second whose text h has. Stores 22 bytes, the last of them 0; returns the
 * place behind the 21. */
static inline uint8_t *gw_fix_put_stamp(const gw_fix_head *h, uint32_t rest, uint8_t *o)
{
    memcpy(o, h->clock, 16);
    memcpy(o + 16, h->clock + 16, 2);
    gw_store4(o + 18, gw_text3[rest / 1000000]);
    return o + 21;
}

#endif
