"""Every message of every layout keeps the laws."""

import pytest

from gateway import codecs
from gateway.codecs import loader
from tests.codecs import laws
from tests.codecs.golden import Golden, all_of
from tests.codecs.support import PROTOCOLS

MESSAGES = [(p, m.name) for p in PROTOCOLS for m in loader.load(p).messages]
GOLDEN = [g for p in PROTOCOLS for g in all_of(p)]
OF_MESSAGES = (
    laws.fields_make_the_same_bytes,
    laws.c_encodes_fields_alike,
    laws.every_split_waits,
    laws.every_truncation_is_seen,
    laws.every_wrong_byte_is_judged_alike,
    laws.writers_stay_in_their_buffer,
    laws.secrets_are_masked,
)


@pytest.mark.parametrize("law", OF_MESSAGES, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("protocol", "name"), MESSAGES, ids=lambda v: v)
def test_a_message_keeps_the_law(law: object, protocol: str, name: str) -> None:
    assert callable(law)
    layout = codecs.load(protocol)
    law(layout, layout.meaning.names[name])


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: f"{g.protocol}/{g.name}")
def test_the_documents_bytes_have_the_documents_meaning(golden: Golden) -> None:
    layout = codecs.load(golden.protocol)
    laws.golden_both_ways(layout, golden)
    if golden.record is not None:
        laws.record_writers_stay_in_their_buffer(layout, golden)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_message_has_golden_bytes(protocol: str) -> None:
    golden = {g.message for g in all_of(protocol)}
    own = {m.name for m in loader.load(protocol).messages if m.inner or not loader.load(protocol).frame.carriers}
    # The journal's records differ in their kind only; one stands for all.
    assert own <= golden if protocol != "journal" else golden
