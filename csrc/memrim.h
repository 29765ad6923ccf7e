/* memrim.h: the rim of memory as Python sees it: for tests, simulation and replay. */
#ifndef GW_MEMRIM_H
#define GW_MEMRIM_H
#include <stdint.h>
#include "lane.h"

typedef struct gw_memconn {
  uint8_t *in, *out;             /* `cap` bytes each, the caller's */
  uint32_t cap, in_at, in_len, out_len;
  int64_t budget;                /* bytes that may lie in `out` */
  int64_t short_send;            /* bytes that sends still take in all; -1 = no such limit */
  uint64_t tx_mark, token_mark;  /* durable watermarks */
  uint64_t tx_asked, token_asked;   /* what was last asked for */
  uint32_t moved_to;
  uint8_t open, ended, broken, pad_;
} gw_memconn;
typedef struct gw_memrim {
  int64_t now_ns;
  gw_memconn *conns;
  uint32_t n_conns, wakes;
  uint32_t grant, pad_;          /* 1: watermarks are granted as asked */
  const uint8_t *records;        /* a journal's records, for those that left the ring: offsets[lsn - first_lsn] */
  const uint64_t *offsets;
  uint64_t first_lsn, n_records;
  const uint64_t *head_lsn;      /* of the lane's ring; NULL: sends are not noted */
  uint64_t *sends;               /* each send: the newest record at that moment, and the bytes that were taken; 2 * sends_cap entries */
  uint32_t sends_cap, n_sends;
} gw_memrim;
/* Fill `rim` with functions over `m`. */
void gw_memrim_init(gw_memrim *m, gw_rim *rim);
#endif
