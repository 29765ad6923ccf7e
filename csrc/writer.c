/* See writer.h. `next` looks at the state and the ring and names an operation, `done` alone moves the state: what was not done leaves no trace. */
#include "writer.h"

#include <string.h>

/* What is under way; one operation of gw_io may serve several purposes. */
enum { IDLE, RUN, MARK, LAST_MARK, GROUP_SYNC, SEGMENT, WATERMARK_WRITE, WATERMARK_SYNC, AGAIN_WRITE, AGAIN_SYNC, FETCH_WALK, FETCH_TAKE };

/* Room at the end of a segment for the mark that a stop writes; a mark has no need to be longer, but before a long run. */
#define ROOM_FOR_MARK GW_REC_HEAD

_Static_assert(GW_WRITE_SMALL % 8 == 0 && GW_WRITE_MAX % 8 == 0 && GW_FETCH_WALK >= GW_REC_HEAD, "records are multiples of 8");
_Static_assert(sizeof ((gw_writer *)0)->block >= GW_BLOCK - 8 + GW_REC_HEAD, "the longest mark has a place");

static uint64_t load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static void store(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

static gw_rec rec_at(const uint8_t *p)
{
    gw_rec rec;
    memcpy(&rec, p, sizeof rec);
    return rec;
}

int gw_writer_init(gw_writer *w, gw_ring *ring, const gw_writer_cfg *cfg)
{
    if (cfg->level > GW_LEVEL_SYNC || cfg->segment_bytes % GW_SEG_DATA) return GW_E_ARGUMENT;
    if (cfg->segment_bytes < GW_SEG_DATA + ring->rec_max + 2 * ROOM_FOR_MARK) return GW_E_ARGUMENT;
    memset(w, 0, sizeof *w);
    w->ring = ring;
    w->level = cfg->level;
    w->segment_bytes = cfg->segment_bytes;
    w->interval_ns = cfg->interval_ns;
    w->gather_ns = cfg->gather_ns;
    w->write_max = ring->size / 8 < GW_WRITE_SMALL ? GW_WRITE_SMALL : ring->size / 8 < GW_WRITE_MAX ? ring->size / 8 : GW_WRITE_MAX;
    w->direct_min = cfg->level == GW_LEVEL_ASYNC ? cfg->direct_min : 0;
    w->number = cfg->prev_number;
    w->offset = cfg->prev_end;
    w->position = w->group_end = ring->copied;
    w->lsn = ring->copied_lsn;
    w->marked_lsn = ring->durable_lsn;
    w->crc = cfg->prev_crc;
    w->place_every = cfg->segment_bytes / 64;
    w->watermark_slot = 1;
    memcpy(w->head.build_id, cfg->build_id, sizeof w->head.build_id);
    memcpy(w->head.config_id, cfg->config_id, sizeof w->head.config_id);
    memcpy(w->head.journal_id, ring->journal_id, sizeof w->head.journal_id);
    memcpy(w->head.boot_id, ring->boot_id, sizeof w->head.boot_id);
    w->head.salt = ring->salt;
    w->head.epoch = cfg->epoch;
    return 0;
}

/* Where records lie ------------------------------------------------------------------------------------------------------- */

static int remember_segment(gw_writer *w, uint64_t number, uint64_t first_lsn, uint32_t salt)
{
    if (!number || number > GW_SEGMENTS) return GW_E_SPACE;
    w->segments[number - 1].first_lsn = first_lsn;
    w->segments[number - 1].salt = salt;
    return 0;
}

static void remember_place(gw_writer *w, uint64_t lsn, uint64_t number, uint64_t offset)
{
    if (w->places_used) {
        const gw_record_place *last = &w->places[w->places_used - 1];
        if (last->number == number && offset - last->offset < w->place_every) return;
    }
    if (w->places_used == GW_PLACES) {
        for (uint32_t i = 0; i < GW_PLACES / 2; i++) w->places[i] = w->places[2 * i];
        w->places_used = GW_PLACES / 2;
        w->place_every *= 2;
    }
    w->places[w->places_used].lsn = lsn;
    w->places[w->places_used].number = number;
    w->places[w->places_used++].offset = offset;
}

int gw_writer_knows_segment(gw_writer *w, uint64_t number, uint64_t first_lsn, uint32_t salt)
{
    return remember_segment(w, number, first_lsn, salt);
}

int gw_writer_knows_place(gw_writer *w, uint64_t lsn, uint64_t number, uint64_t offset)
{
    if (w->places_used && w->places[w->places_used - 1].lsn >= lsn) return GW_E_ORDER;
    remember_place(w, lsn, number, offset);
    return 0;
}

/* The segment and the place to begin a search for record `lsn`; 0 if no segment has it. */
static uint64_t where(const gw_writer *w, uint64_t lsn, uint64_t *offset)
{
    uint64_t number = w->number;
    if (!number || !lsn || lsn > w->lsn) return 0;
    if (lsn == w->next_lsn && (w->next_number == number || w->segments[w->next_number].first_lsn > lsn)) {
        *offset = w->next_offset;
        return w->next_number;
    }
    while (number && w->segments[number - 1].first_lsn > lsn) number--;
    if (!number || !w->segments[number - 1].first_lsn) return 0;
    uint32_t low = 0, high = w->places_used; /* places[low..high) may hold the last one at or below lsn */
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (w->places[middle].lsn <= lsn) low = middle + 1;
        else high = middle;
    }
    *offset = low && w->places[low - 1].number == number ? w->places[low - 1].offset : GW_SEG_DATA;
    return number;
}

/* Reads for the lane ------------------------------------------------------------------------------------------------------ */

static gw_fetch *asked_fetch(gw_writer *w)
{
    for (uint32_t i = 0; i < GW_FETCHES; i++) {
        if (__atomic_load_n(&w->fetches[i].state, __ATOMIC_ACQUIRE) == 1) {
            w->fetching = i;
            return &w->fetches[i];
        }
    }
    return NULL;
}

static void answer(gw_writer *w, int64_t result)
{
    w->fetches[w->fetching].result = result;
    w->fetch_number = 0;
    __atomic_store_n(&w->fetches[w->fetching].state, 2, __ATOMIC_RELEASE);
}

static int next_fetch(gw_writer *w, gw_io *io)
{
    gw_fetch *fetch = w->fetch_number ? &w->fetches[w->fetching] : asked_fetch(w);
    while (fetch && !w->fetch_number) {
        w->fetch_number = where(w, fetch->lsn, &w->fetch_offset);
        if (w->fetch_number) break;
        answer(w, GW_E_ARGUMENT);
        fetch = asked_fetch(w);
    }
    if (!fetch) return 0;
    w->doing = w->doing == FETCH_TAKE ? FETCH_TAKE : FETCH_WALK;
    io->kind = GW_IO_READ;
    io->number = w->fetch_number;
    io->offset = w->fetch_offset;
    io->dst = w->doing == FETCH_TAKE ? fetch->dst : w->walk;
    io->len = w->doing == FETCH_TAKE ? fetch->cap : sizeof w->walk;
    return 1;
}

/* `got` bytes of the way to the record are here: go to it, or as far as they lead. */
static void walked(gw_writer *w, uint64_t got)
{
    const uint64_t lsn = w->fetches[w->fetching].lsn;
    uint64_t at = 0;
    while (at < got && got - at >= GW_REC_HEAD) {
        const gw_rec rec = rec_at(w->walk + at);
        if (rec.len < GW_REC_HEAD || rec.len % 8) {
            answer(w, GW_E_FRAME);
            return;
        }
        if (rec.kind != GW_REC_SYNCED && rec.lsn >= lsn) {
            if (rec.lsn > lsn) answer(w, GW_E_ORDER);
            else w->doing = FETCH_TAKE;
            w->fetch_offset += at;
            return;
        }
        at += rec.len;
    }
    if (!at) answer(w, GW_E_SHORT);
    else w->fetch_offset += at;
}

/* `got` bytes from the record on are in the lane's buffer: keep what is whole and sound, without marks. */
static void taken(gw_writer *w, uint64_t got)
{
    gw_fetch *fetch = &w->fetches[w->fetching];
    const uint32_t salt = (uint32_t)w->segments[w->fetch_number - 1].salt;
    uint64_t lsn = fetch->lsn, kept = 0, at = 0;
    int64_t n = GW_E_SHORT;
    while (at < got && lsn <= w->lsn && (n = gw_rec_check(fetch->dst + at, got - at, salt, lsn)) > 0) {
        if (rec_at(fetch->dst + at).kind != GW_REC_SYNCED) {
            if (kept != at) memmove(fetch->dst + kept, fetch->dst + at, (size_t)n);
            kept += (uint64_t)n;
            lsn++;
        }
        at += (uint64_t)n;
    }
    if (kept) {
        w->next_lsn = lsn;
        w->next_number = w->fetch_number;
        w->next_offset = w->fetch_offset + at;
        answer(w, (int64_t)kept);
    } else if (got == fetch->cap && (got < GW_REC_HEAD || (n == GW_E_FRAME && rec_at(fetch->dst).len > got))) {
        answer(w, GW_E_SPACE);
    } else {
        answer(w, n ? n : GW_E_SHORT);
    }
}

int gw_fetch_ask(gw_writer *w, uint64_t lsn, uint8_t *dst, uint64_t cap)
{
    for (int i = 0; i < GW_FETCHES; i++) {
        gw_fetch *fetch = &w->fetches[i];
        if (__atomic_load_n(&fetch->state, __ATOMIC_ACQUIRE)) continue;
        fetch->lsn = lsn;
        fetch->dst = dst;
        fetch->cap = cap;
        __atomic_store_n(&fetch->state, 1, __ATOMIC_RELEASE);
        return i;
    }
    return GW_E_SPACE;
}

int64_t gw_fetch_answer(gw_writer *w, int ticket)
{
    if (ticket < 0 || ticket >= GW_FETCHES || __atomic_load_n(&w->fetches[ticket].state, __ATOMIC_ACQUIRE) != 2) return 0;
    const int64_t result = w->fetches[ticket].result;
    __atomic_store_n(&w->fetches[ticket].state, 0, __ATOMIC_RELEASE);
    return result;
}

/* Watermarks --------------------------------------------------------------------------------------------------------------- */

void gw_writer_knows_watermarks(gw_writer *w, const gw_watermark *entries, uint32_t count, uint64_t seq, uint32_t slot)
{
    for (uint32_t i = 0; i < count && i < GW_WATERMARKS; i++) {
        w->grants[i].key = entries[i];
        w->grants[i].asked = w->grants[i].granted = entries[i].value;
        w->grants_used = i + 1;
    }
    w->watermark_seq = seq;
    w->watermark_slot = slot;
    w->watermark_twice = seq > 1; /* only one of the slots may be sound; a new file has two */
}

/* The lane's side: the entry of a key, made if there is none. */
static gw_grant *grant_there(gw_writer *w, uint32_t conn, uint16_t kind, uint16_t unit)
{
    for (uint32_t i = 0; i < w->grants_used; i++) {
        const gw_watermark *key = &w->grants[i].key;
        if (key->conn == conn && key->kind == kind && key->unit == unit) return &w->grants[i];
    }
    return NULL;
}

static gw_grant *grant_of(gw_writer *w, uint32_t conn, uint16_t kind, uint16_t unit)
{
    const uint32_t used = w->grants_used;
    gw_grant *there = grant_there(w, conn, kind, unit);
    if (there) return there;
    if (used == GW_WATERMARKS) return NULL;
    w->grants[used].key.conn = conn;
    w->grants[used].key.kind = kind;
    w->grants[used].key.unit = unit;
    __atomic_store_n(&w->grants_used, used + 1, __ATOMIC_RELEASE);
    return &w->grants[used];
}

uint64_t gw_watermark_ask(gw_writer *w, uint32_t conn, uint16_t kind, uint16_t unit, uint64_t value)
{
    gw_grant *grant = value ? grant_of(w, conn, kind, unit) : grant_there(w, conn, kind, unit);
    if (!grant) return 0;
    if (value > grant->asked) store(&grant->asked, value);
    return load(&grant->granted);
}

uint64_t gw_watermark_reset(gw_writer *w, uint32_t conn, uint16_t kind, uint16_t unit, uint64_t value)
{
    gw_grant *grant = grant_of(w, conn, kind, unit);
    if (!grant) return 0;
    store(&grant->asked, value);
    return load(&grant->granted);
}

static int something_asked(const gw_writer *w)
{
    const uint32_t used = __atomic_load_n(&w->grants_used, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < used; i++) {
        if (load(&w->grants[i].asked) != w->grants[i].granted) return 1;
    }
    return 0;
}

/* The write goes over the older slot, so that the newest one is whole at any moment; then once more over the other, so that damage
 * to one of them later cannot bring an older value back. */
static void write_slot(gw_writer *w, gw_io *io, uint32_t doing)
{
    w->doing = doing;
    io->kind = GW_IO_WATERMARK_WRITE;
    io->offset = w->watermark_slot ? 0 : GW_WATERMARK_SLOT;
    io->src = w->slot;
    io->len = w->watermark_len;
}

static void encode_slot(gw_writer *w)
{
    const uint32_t used = __atomic_load_n(&w->grants_used, __ATOMIC_ACQUIRE);
    gw_watermark_head head;
    memset(&head, 0, sizeof head);
    for (uint32_t i = 0; i < used; i++) {
        w->granting[i] = w->grants[i].key;
        w->granting[i].value = load(&w->grants[i].asked);
    }
    head.seq = w->watermark_seq + 1;
    head.durable_lsn = w->ring->durable_lsn;
    memcpy(head.journal_id, w->ring->journal_id, sizeof head.journal_id);
    w->watermark_len = (uint64_t)gw_watermarks_encode(w->slot, sizeof w->slot, &head, w->granting, used);
}

static int next_watermark(gw_writer *w, gw_io *io)
{
    if (something_asked(w)) {
        encode_slot(w);
        write_slot(w, io, WATERMARK_WRITE);
    } else if (w->watermark_twice) {
        if (!w->watermark_len) encode_slot(w);
        write_slot(w, io, AGAIN_WRITE);
    } else {
        return 0;
    }
    return 1;
}

static void granted(gw_writer *w)
{
    gw_watermark_head head;
    memcpy(&head, w->slot, sizeof head);
    w->watermark_seq = head.seq;
    for (uint32_t i = 0; i < head.count; i++) store(&w->grants[i].granted, w->granting[i].value);
}

/* Segments ----------------------------------------------------------------------------------------------------------------- */

static void fail(gw_writer *w, uint32_t what, int64_t error)
{
    store(&w->ring->failed, (uint64_t)what << 32 | (uint64_t)error);
}

static void next_sync(gw_writer *w, gw_io *io)
{
    w->doing = GROUP_SYNC;
    io->kind = GW_IO_SYNC;
    io->number = w->number;
}

static void next_segment(gw_writer *w, gw_io *io)
{
    if (w->number >= GW_SEGMENTS) {
        fail(w, GW_FAILED_SEGMENT, 28); /* ENOSPC, by its number: there is no errno in this file */
        io->kind = GW_IO_END;
        return;
    }
    w->head.number = w->number + 1;
    w->head.first_lsn = w->lsn + 1;
    w->head.prev_end = w->number ? w->offset : 0;
    w->head.prev_crc = w->crc;
    gw_seg_head_seal(&w->head);
    memset(w->block, 0, GW_SEG_DATA);
    memcpy(w->block, &w->head, sizeof w->head);
    w->doing = SEGMENT;
    io->kind = GW_IO_SEGMENT;
    io->number = w->head.number;
    io->src = w->block;
    io->len = GW_SEG_DATA;
}

static void next_mark(gw_writer *w, gw_io *io, uint32_t doing, uint64_t bytes)
{
    gw_rec rec;
    memset(&rec, 0, sizeof rec);
    memset(w->block, 0, bytes);
    rec.kind = GW_REC_SYNCED;
    rec.ver = 1;
    rec.epoch = w->head.epoch;
    rec.lsn = w->ring->durable_lsn;
    memcpy(w->block, &rec, sizeof rec);
    gw_rec_seal(w->block, (uint32_t)bytes, w->ring->salt);
    w->mark_bytes = bytes;
    w->doing = doing;
    io->kind = GW_IO_WRITE;
    io->number = w->number;
    io->offset = w->offset;
    io->src = w->block;
    io->len = bytes;
}

/* Position behind the last record of the step that begins at `from`: `sync` makes each step durable by itself. */
static uint64_t end_of_step(const gw_ring *ring, uint64_t from, uint64_t head)
{
    uint64_t at = from, end = from;
    int64_t n;
    while ((n = gw_ring_peek(ring, &at, head)) > 0) {
        if (end != from && rec_at(gw_ring_bytes_at(ring, at)).flags & GW_REC_STEP_FIRST) return end;
        end = at += (uint64_t)n;
    }
    return head;
}

/* Bytes of the mark that goes before the run, 0 = none: what was synced is still to be said (`owed` bytes are kept for
 * that), or the run is long, lies in the segment otherwise than in the ring, and has `room` behind a mark that mends it. */
static uint64_t mark_before(const gw_writer *w, uint64_t owed, uint64_t room)
{
    const gw_piece *const run = &w->run;
    if (!w->direct_min || run->bytes < w->direct_min) return owed;
    if (!owed && (run->begin - w->offset) % GW_BLOCK == 0) return 0;
    const uint64_t mending = GW_REC_HEAD + (run->begin - w->offset - GW_REC_HEAD) % GW_BLOCK;
    return run->bytes + mending <= room + owed ? mending : owed;
}

static void next_copy(gw_writer *w, uint64_t limit, gw_io *io)
{
    const uint64_t owed = w->ring->durable_lsn > w->marked_lsn ? GW_REC_HEAD : 0;
    const uint64_t used = w->offset + ROOM_FOR_MARK + owed;
    const uint64_t room = w->segment_bytes > used ? w->segment_bytes - used : 0;
    gw_ring_piece(w->ring, w->position, w->lsn, limit, room, w->write_max, &w->run);
    const uint64_t mark = mark_before(w, owed, room);
    if (w->run.fault) {
        fail(w, GW_FAILED_RING, 0);
        io->kind = GW_IO_END;
    } else if (!w->run.bytes) { /* the next record does not fit: a segment is durable before the next one begins */
        if (w->unsynced) next_sync(w, io);
        else next_segment(w, io);
    } else if (mark) {
        next_mark(w, io, MARK, mark);
    } else {
        w->doing = RUN;
        io->kind = GW_IO_WRITE;
        io->number = w->number;
        io->offset = w->offset;
        io->src = gw_ring_bytes_at(w->ring, w->run.begin);
        io->len = w->run.bytes;
    }
}

/* Copying and syncing, by level. Returns 0 if there is nothing to do before io->deadline_ns. */
static int next_group(gw_writer *w, uint64_t now_ns, int stop, gw_io *io)
{
    const uint64_t head = load(&w->ring->head);
    const int async = w->level == GW_LEVEL_ASYNC;
    if (w->position == w->group_end) { /* the group is copied: make it durable, or begin the next one */
        const int due = !async || (stop && w->position == head) || now_ns - w->unsynced_since_ns >= w->interval_ns;
        if (w->unsynced && due) {
            next_sync(w, io);
            return 1;
        }
        if (!async || stop || now_ns >= w->gather_until_ns || head - w->position >= w->ring->size / 4) {
            w->group_end = w->level == GW_LEVEL_SYNC ? end_of_step(w->ring, w->position, head) : head;
            if (w->group_end != w->position) w->gather_until_ns = now_ns + w->gather_ns;
        }
    }
    if (w->position != w->group_end) {
        next_copy(w, w->group_end, io);
        return 1;
    }
    if (w->unsynced) io->deadline_ns = w->unsynced_since_ns + w->interval_ns;
    if (head != w->position && w->gather_until_ns < io->deadline_ns) io->deadline_ns = w->gather_until_ns;
    return 0;
}

int gw_writer_busy(const gw_writer *w)
{
    if (w->ended || load(&w->stop) || !w->head.number) return 1;
    if (load(&w->ring->head) - w->position >= (w->level == GW_LEVEL_ASYNC ? w->ring->size / 4 : 1)) return 1;
    for (uint32_t i = 0; i < GW_FETCHES; i++) {
        if (__atomic_load_n(&w->fetches[i].state, __ATOMIC_ACQUIRE) == 1) return 1;
    }
    return something_asked(w);
}

void gw_writer_next(gw_writer *w, uint64_t now_ns, gw_io *io)
{
    const int stop = load(&w->stop) != 0; /* read before `head`: what was appended before it was set is copied */
    const uint32_t doing = w->doing;
    memset(io, 0, sizeof *io);
    io->deadline_ns = UINT64_MAX;
    if (w->ended || load(&w->ring->failed)) io->kind = GW_IO_END;
    else if (!w->head.number) next_segment(w, io);
    else if (doing == WATERMARK_WRITE || doing == AGAIN_WRITE) {
        w->doing = doing == WATERMARK_WRITE ? WATERMARK_SYNC : AGAIN_SYNC;
        io->kind = GW_IO_WATERMARK_SYNC;
    } else if (doing == LAST_MARK) next_sync(w, io);
    else if (next_fetch(w, io) || next_watermark(w, io) || next_group(w, now_ns, stop, io)) return;
    else if (stop && w->ring->durable_lsn > w->marked_lsn) next_mark(w, io, LAST_MARK, GW_REC_HEAD);
    else if (stop) io->kind = GW_IO_END;
    if (io->kind == GW_IO_END) w->ended = 1;
}

static void copied(gw_writer *w, uint64_t now_ns)
{
    remember_place(w, w->lsn + 1, w->number, w->offset);
    w->offset += w->run.bytes;
    w->position = w->run.begin + w->run.bytes;
    w->lsn = w->run.lsn;
    w->crc = w->run.crc;
    if (!w->unsynced) w->unsynced_since_ns = now_ns;
    w->unsynced = 1;
    store(&w->ring->copied, w->position);
    store(&w->ring->copied_lsn, w->lsn);
}

/* Which part of the journal an operation that failed belongs to. */
static uint32_t what_failed(uint32_t doing)
{
    switch (doing) {
    case GROUP_SYNC: return GW_FAILED_SYNC;
    case SEGMENT: return GW_FAILED_SEGMENT;
    case WATERMARK_WRITE: case WATERMARK_SYNC: case AGAIN_WRITE: case AGAIN_SYNC: return GW_FAILED_WATERMARK;
    default: return GW_FAILED_WRITE;
    }
}

void gw_writer_done(gw_writer *w, uint64_t now_ns, int64_t result)
{
    const uint32_t doing = w->doing;
    if (doing == FETCH_WALK || doing == FETCH_TAKE) {
        w->doing = IDLE;
        if (result < 0) answer(w, GW_E_SHORT);
        else if (doing == FETCH_WALK) walked(w, (uint64_t)result);
        else taken(w, (uint64_t)result);
        return;
    }
    if (result < 0) {
        fail(w, what_failed(doing), -result);
        return;
    }
    switch (doing) {
    case RUN: copied(w, now_ns); break;
    case MARK: case LAST_MARK:
        w->marked_lsn = w->ring->durable_lsn;
        w->offset += w->mark_bytes;
        break;
    case GROUP_SYNC:
        w->unsynced = 0;
        store(&w->ring->durable_lsn, w->lsn);
        break;
    case SEGMENT:
        w->number = w->head.number;
        w->offset = GW_SEG_DATA;
        if (remember_segment(w, w->number, w->lsn + 1, w->head.salt) < 0) fail(w, GW_FAILED_SEGMENT, 0);
        break;
    case WATERMARK_SYNC: case AGAIN_SYNC:
        w->watermark_slot ^= 1u;
        w->watermark_twice = doing == WATERMARK_SYNC;
        granted(w);
        break;
    default: break;
    }
    /* A slot that was written is synced next, whatever else waits. */
    if (doing != WATERMARK_WRITE && doing != AGAIN_WRITE && doing != LAST_MARK) w->doing = IDLE;
}
