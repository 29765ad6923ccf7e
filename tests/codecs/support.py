"""What the codec tests share."""

from gateway import codecs
from gateway.client import _records
from gateway.codecs.recordio import RecordFormat

PROTOCOLS = ("soupbintcp", "ouch50", "order_api", "journal")


def _form(generated: _records.RecordFormat) -> RecordFormat:
    return RecordFormat(generated.name, generated.struct.format, generated.fields)


REPORT_OR_ORDER = {"client": _form(_records.ORDER), "venue": _form(_records.REPORT)}


def senders(layout: codecs.Layout, data: bytes) -> list[str]:
    """Who can have sent the message that begins `data`."""
    found = []
    for sender in ("client", "venue"):
        try:
            if layout.decode_fields(data, sender):
                found.append(sender)
        except codecs.Refused:
            continue
    return found
