/* Fuzz entry of risk: any bytes as a limits table, then as orders and events. Nothing overflows, a check changes nothing, and the books add up. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "risk.h"

#define REQUIRE(what) \
    do { \
        if (!(what)) abort(); \
    } while (0)

static const gw_risk_sizes SIZES = {3, 3, 3, 3, 4, 4};

static void add(int64_t *sum, const gw_exposure *e) {
    sum[0] += e->position;
    sum[1] += e->open_buy;
    sum[2] += e->open_sell;
    sum[3] += e->pend_buy;
    sum[4] += e->pend_sell;
}

/* Until a sum was saturated: venues, accounts and strategies each add up to the firm, and nothing but a position is below 0. */
static void books_add_up(const gw_risk *r) {
    if (gw_risk_flags(r) & GW_RISK_SATURATED) return;
    for (uint32_t instrument = 0; instrument < SIZES.instruments; instrument++)
        for (int scope = 1; scope <= 3; scope++) {
            int64_t firm[5] = {0}, parts[5] = {0};
            gw_exposure e;
            REQUIRE(gw_risk_exposure(r, 0, 0, instrument, &e));
            add(firm, &e);
            REQUIRE(e.open_buy >= 0 && e.open_sell >= 0 && e.pend_buy >= 0 && e.pend_sell >= 0);
            for (uint32_t entity = 0; entity < 3; entity++) {
                REQUIRE(gw_risk_exposure(r, scope, entity, instrument, &e));
                e.position /= 4; /* parts may be far apart: the sum of the quarters must stay in 64 bits */
                add(parts, &e);
            }
            REQUIRE(memcmp(firm + 1, parts + 1, 4 * sizeof(int64_t)) == 0);
        }
}

static void one_order(const gw_risk *r, const uint8_t *p) {
    gw_risk_in in;
    gw_breach out[GW_RISK_BREACH_MAX];
    char text[64];
    uint64_t before = gw_risk_hash(r);
    memcpy(&in, p, sizeof in);
    int count = gw_risk_check(r, &in, out, GW_RISK_BREACH_MAX);
    REQUIRE(count >= 0 && count <= GW_RISK_BREACH_MAX && before == gw_risk_hash(r));
    for (int i = 0; i < count; i++) {
        REQUIRE(gw_breach_text(&out[i], "NAME", text, sizeof text) < (int)sizeof text);
        REQUIRE(gw_breach_ord_rej_reason(&out[i]) >= 0);
    }
}

static void one_event(gw_risk *r, const uint8_t *p) {
    gw_risk_delta d;
    memcpy(&d, p, sizeof d);
    d.kind = (uint8_t)(d.kind % 19); /* mostly kinds that there are, slots that there are */
    if (d.slot != GW_RISK_NO_SLOT) d.slot %= SIZES.orders + 1;
    d.side &= 3;
    if (d.side > 2) d.side = 0;
    REQUIRE(gw_risk_apply(r, &d) >= 0);
    for (uint32_t slot = 0; slot < SIZES.orders; slot++) REQUIRE(gw_risk_held(r, slot) >= 0);
    books_add_up(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t need = gw_risk_size(&SIZES), table = gw_limits_size(&SIZES);
    uint64_t *mem = malloc(need), *limits = malloc(table);
    gw_breach any;
    memset(&any, size > 0 ? data[0] : 0, sizeof any);
    char text[64];
    gw_breach_text(&any, "NAME", text, sizeof text);
    gw_breach_ord_rej_reason(&any);
    REQUIRE(mem != NULL && limits != NULL);
    gw_risk *r = gw_risk_init(mem, need, &SIZES);
    REQUIRE(r != NULL);
    size_t given = size < table ? size : table;
    memset(limits, 0, table);
    memcpy(limits, data, given);
    REQUIRE(gw_risk_swap_limits(r, limits, given) == 0 || given == table);
    data += given;
    size -= given;
    while (size >= sizeof(gw_risk_in)) { /* the first bit says which */
        if (data[0] & 1) one_order(r, data);
        else one_event(r, data);
        data += sizeof(gw_risk_in);
        size -= sizeof(gw_risk_in);
    }
    free(mem);
    free(limits);
    return 0;
}
