"""What the codec tests share."""

import os

from hypothesis import settings

from gateway import codecs
from gateway.codecs.recordio import RecordFormat
from gateway.codecs.records import order

# With PORTCULLIS_TESTS=all ten times as many examples, and new ones each time; else the same ones each time.
ALL = os.environ.get("PORTCULLIS_TESTS") == "all"


def examples(count: int) -> settings:
    """Hypothesis settings for `count` examples in `make test`."""
    return settings(max_examples=count * 10 if ALL else count, deadline=None, derandomize=not ALL)


PROTOCOLS = ("soupbintcp", "ouch50", "order_api", "journal")


_RECORDS = order().records
REPORT_OR_ORDER = {
    sender: RecordFormat(name, _RECORDS[name].struct_format(), _RECORDS[name].struct_fields())
    for sender, name in (("client", "gw_order"), ("venue", "gw_report"))
}


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
