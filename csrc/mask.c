/* mask.c: secrets never reach the journal: their bytes are stars there, and the frame stays a frame. */
#include "core.h"

/* A FIX frame whose bytes were changed: its CheckSum again. */
static void checksum(uint8_t *p, uint32_t n) {
  if (n < 8) return;
  const unsigned sum = gw_fix_sum(p, n - 7);
  p[n - 4] = (uint8_t)('0' + sum / 100);
  p[n - 3] = (uint8_t)('0' + sum / 10 % 10);
  p[n - 2] = (uint8_t)('0' + sum % 10);
}
/* Ours: every secret of the table that stands in it. */
void gw_mask_sent(gw_lane *l, uint32_t conn, uint8_t *frame, uint32_t n) {
  gw_fault f;
  for (uint32_t i = 0; i < l->n_secrets; i++) {
    const gw_secret *s = &l->secrets[i];
    for (uint32_t at = 0; s->len && at + s->len <= n; at++)
      if (memcmp(frame + at, s->value, s->len) == 0) memset(frame + at, '*', s->len);
  }
  if (l->cfg[conn].family == GW_FAMILY_FIX) checksum(frame, n);
  else gw_mask(l->cfg[conn].layout, l->cfg[conn].role == GW_ROLE_VENUE ? GW_FROM_CLIENT : GW_FROM_VENUE, frame, n, &f);
}
/* Theirs: a logon's password fields (FIX 553 stays; 554, 925 and 96 do not) or the layout's secret fields. 1 if anything was masked. */
int gw_mask_frame(gw_lane *l, uint32_t conn, uint8_t *frame, uint32_t n) {
  gw_fault f;
  if (l->cfg[conn].family != GW_FAMILY_FIX) return gw_mask(l->cfg[conn].layout, GW_FROM_CLIENT, frame, n, &f) > 0;
  int any = 0;
  for (uint32_t i = 0; i < l->fm.field_count; i++) {
    const gw_fix_field *x = &l->fm.field[i];
    if ((x->tag == 554 || x->tag == 925 || x->tag == 96) && (uint32_t)x->off + x->len <= n) { memset(frame + x->off, '*', x->len); any = any || x->len; }
  }
  if (any) checksum(frame, n);
  return any;
}
