"""Tables of a layout that were damaged are refused or harmless: they run on any bytes without touching what is not theirs."""

import random
import re
from pathlib import Path

import cffi
import pytest

from gateway import codecs, native
from gateway.codecs import loader, records
from gateway.codecs.codec import FROM
from gateway.codecs.rows import LAYOUTS, Source
from tests.codecs import laws
from tests.codecs.support import ALL, REPORT_OR_ORDER
from tests.codecs.support import PROTOCOLS as ALL_PROTOCOLS

pytestmark = pytest.mark.more

SEED = 20250301
DAMAGED = 20_000 if ALL else 3_000
PROTOCOLS = ("ouch50", "order_api")


def aligned(ffi: cffi.FFI, table: bytes) -> object:
    memory = ffi.new("uint64_t[]", len(table) // 8)
    ffi.memmove(memory, table, len(table))
    return memory


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_damaged_tables_are_refused_or_harmless(protocol: str) -> None:
    layout = codecs.load(protocol)
    ffi, lib, rng = layout._ffi, layout._lib, random.Random(SEED)
    frames = [(i, laws.sender_of(m), f) for i, m in enumerate(layout.meaning.messages) for f in laws.frames(layout, m)[-2:]]
    record, fault = ffi.new("gw_report *"), ffi.new("gw_fault *")
    guarded = ffi.new("uint8_t[]", 4096 + 64)
    full = REPORT_OR_ORDER["venue"].pack({"kind": "8", "price": 10_000, "px_exp": -4, "qty_exp": 0, "order_qty": 100, "side": "1", "symbol": "A", "stream_seq": 1})
    refused = ran = 0
    for _ in range(DAMAGED):
        table = bytearray(layout.table)
        for _ in range(rng.choice((1, 1, 2, 5))):
            # The head and the messages are small and matter most; half of the damage goes there.
            at = rng.randrange(rng.choice((136, 136 + 56 * len(layout.meaning.messages), len(table))))
            table[at] = rng.choice((rng.randrange(256), table[at] ^ 1 << rng.randrange(8), 0, 255))
        memory = aligned(ffi, bytes(table))
        if lib.gw_layout_check(memory, len(table)) != 1:
            refused += 1
            continue
        ran += 1
        damaged = ffi.cast("const gw_layout *", memory)
        for index, sender, frame in rng.sample(frames, 3):
            from_ = FROM[sender]
            data = ffi.new("uint8_t[]", frame)
            assert lib.gw_decode(damaged, ffi.NULL, from_, data, len(frame), record, fault) <= len(frame)
            lib.gw_mask(damaged, from_, data, len(frame), fault)
            ffi.memmove(guarded, b"\xa5" * 4160, 4160)
            lib.gw_encode(damaged, ffi.NULL, index, full, guarded, 4096, fault)
            lib.gw_encode_fields(damaged, index, b"\3\0\x08\0" + bytes(8), 12, guarded, 4096, fault)
            assert bytes(guarded[4096:4160]) == b"\xa5" * 64
    print(f"seed {SEED}: {refused} tables refused, {ran} ran")
    assert refused > DAMAGED // 20 and ran > DAMAGED // 20


def test_a_table_that_is_cut_off_or_misaligned_is_refused() -> None:
    layout = codecs.load("ouch50")
    ffi, lib = layout._ffi, layout._lib
    memory = ffi.new("uint64_t[]", len(layout.table) // 8 + 1)
    ffi.memmove(memory, layout.table, len(layout.table))
    assert lib.gw_layout_check(memory, len(layout.table)) == 1
    for n in (0, 8, 135, len(layout.table) - 8, len(layout.table) + 8):
        assert lib.gw_layout_check(memory, n) == lib.GW_E_TABLE
    ffi.memmove(ffi.cast("uint8_t *", memory) + 4, layout.table, len(layout.table))
    assert lib.gw_layout_check(ffi.cast("uint8_t *", memory) + 4, len(layout.table)) == lib.GW_E_TABLE


def test_every_layout_file_is_loaded_by_these_tests() -> None:
    protocols = {p.stem for p in LAYOUTS.rglob("*.toml") if not p.stem.startswith("fix")}
    assert protocols - set(ALL_PROTOCOLS) == {"order", "latch"}, "a layout with messages belongs into support.PROTOCOLS"


def test_the_journals_and_the_latchs_records_are_those_of_the_c_headers() -> None:
    ffi = cffi.FFI()
    ffi.cdef(native.cdef("csrc/fault.h", "csrc/journal.h"))
    assert _fields("journal", "gw_rec") == {name: (f.offset, ffi.sizeof(f.type)) for name, f in ffi.typeof("gw_rec").fields}
    kinds = dict(re.findall(r"#define GW_REC_(\w+) (\d+)\b", header := (native.ROOT / "csrc" / "journal.h").read_text() + " "))
    named = {m.name: m.key for m in loader.load("journal").messages}
    assert "Kinds of record" in header and named.items() <= {k: int(v) for k, v in kinds.items()}.items()
    records_of = native.cdef("csrc/jrec.h")
    for name, record in (("IN", "gw_rec_in"), ("OUT", "gw_rec_out")):
        declared = re.search(rf"typedef struct {record} {{.*?}} {record};", records_of, re.S)
        assert declared is not None
        ffi = cffi.FFI()
        ffi.cdef(native.cdef("csrc/fault.h", "csrc/journal.h") + declared.group())
        meant = {f.name: (f.offset, f.size) for f in loader.load("journal").names[name].fields if f.offset >= 40 and "pad" not in f.name}
        assert meant == {n: (f.offset, ffi.sizeof(f.type)) for n, f in ffi.typeof(record).fields if n != "h" and "pad" not in n}
    latch = (native.ROOT / "csrc" / "latch.h").read_text()
    for name in ("gw_latch_head", "gw_latch_slot"):
        ffi = cffi.FFI()
        declared = re.search(rf"typedef struct {name} {{.*?}} {name};", latch, re.S)
        assert declared is not None
        ffi.cdef(declared.group())
        assert _fields("latch", name) == {field: (f.offset, ffi.sizeof(f.type)) for field, f in ffi.typeof(name).fields}


def _fields(layout: str, record: str) -> dict[str, tuple[int, int]]:
    found = records.build(Source.parse(Path(f"{layout}.toml"), _records_only(layout))).records[record]
    return {f.name: (f.offset, f.size) for f in found.fields}


def _records_only(name: str) -> str:
    text = (LAYOUTS / "house" / f"{name}.toml").read_text()
    start = text.index("[record.")
    end = text.find("[message.")
    return 'protocol = "x"\nversion = "1"\nbyte_order = "little"\n' + text[start : end if end > 0 else len(text)]
