"""FIX tag=value from Python: finds and scans frames with the C codec that the lane uses."""

from dataclasses import dataclass

from gateway import native

_codec = native.load("gateway.codecs._codec")
ffi, lib = _codec.ffi, _codec.lib

FAULTS: dict[int, str] = {getattr(lib, name): name for name in dir(lib) if name.startswith("GW_E_")}
FRAME_MAX: int = lib.GW_FIX_FRAME_MAX


class FixFault(Exception):
    """A message that is wrong: `code` (enum gw_fault_code), `tag` (None if no single field) and `offset` in the frame, None if unknown."""

    def __init__(self, code: int, what: str = "", tag: int | None = None, offset: int | None = None) -> None:
        self.code = code
        self.tag = tag
        self.offset = offset
        place = "".join([f" tag {tag}" if tag is not None else "", f" at offset {offset}" if offset is not None else ""])
        super().__init__(f"{FAULTS.get(code, str(code))}{place}{': ' if what else ''}{what}")


@dataclass(frozen=True)
class Scanned:
    """A verified frame and its header: times are ns since the epoch (0 = absent), msg_type and the comp ids text.

    `odd` are the GW_FIX_ODD_ bits of fix.h. `fields` are (tag, value) in wire order from 8 on, without 10; tag 0 = an invalid number.
    """

    msg_type: str
    msg_seq_num: int
    begin_string: str
    sender_comp_id: str
    target_comp_id: str
    sending_time: int
    orig_sending_time: int
    poss_dup: bool
    poss_resend: bool
    odd: int
    odd_field: int | None
    first_body: int
    fields: tuple[tuple[int, bytes], ...]


def frame(data: bytes | bytearray | memoryview, max_length: int = FRAME_MAX) -> int:
    """The length of the first complete frame in `data`, 0 = more bytes are needed, negative = a fault: ask `resync`."""
    return int(lib.gw_fix_frame(ffi.from_buffer(data), len(data), max_length))


def resync(data: bytes | bytearray | memoryview, max_length: int = FRAME_MAX) -> int:
    """How many bytes of a garbled beginning are to be dropped, 0 = its end is not there yet. The rule is in fix.h."""
    return int(lib.gw_fix_resync(ffi.from_buffer(data), len(data), max_length))


def scan(message: bytes | bytearray | memoryview) -> Scanned:
    """Verify and index one whole frame. Raises: FixFault."""
    view = ffi.new("gw_fix_msg *")
    result = lib.gw_fix_scan(ffi.from_buffer(message), len(message), view)
    if result < 0:
        raise FixFault(result)
    raw = bytes(message)

    def text(span: object) -> str:
        return raw[span.off : span.off + span.len].decode("latin-1")  # type: ignore[attr-defined]

    fields = tuple((f.tag, raw[f.off : f.off + f.len]) for f in view.field[0 : view.field_count])
    return Scanned(
        msg_type=text(view.msg_type_text),
        msg_seq_num=view.msg_seq_num,
        begin_string=text(view.begin_string),
        sender_comp_id=text(view.sender_comp_id),
        target_comp_id=text(view.target_comp_id),
        sending_time=view.sending_time,
        orig_sending_time=view.orig_sending_time,
        poss_dup=bool(view.poss_dup),
        poss_resend=bool(view.poss_resend),
        odd=view.odd,
        odd_field=view.odd_field if view.odd else None,
        first_body=view.first_body,
        fields=fields,
    )
