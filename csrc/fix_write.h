/* How a FIX frame is opened and closed; internal to the FIX codec. */
#ifndef GW_FIX_WRITE_H
#define GW_FIX_WRITE_H
#include "fix.h"

#define GW_FIX_TRAILER 7 /* "10=nnn|" */

/* Writes the header of h from 8= up to and with the SOH before the body; BodyLength gets three places. At most GW_FIX_HEAD_MAX
 * bytes are stored. Returns their number, or GW_E_RANGE, GW_E_ARGUMENT. */
int gw_fix_open(gw_fix_head *h, uint32_t msg_type, uint8_t *out);

/* Completes the frame of out whose header and body are n bytes: writes BodyLength (moving the body if it has not three digits)
 * and the trailer. Returns the length, up to n + GW_FIX_TRAILER + 2. */
int gw_fix_close(const gw_fix_head *h, uint8_t *out, size_t n);

/* The 18 bytes of a second with h's cache: "YYYYMMDD-HH:MM:SS." The cache is renewed. */
void gw_fix_clock(gw_fix_head *h, int64_t second, uint8_t *out);

#endif
