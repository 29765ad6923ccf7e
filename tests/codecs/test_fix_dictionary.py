"""FIX dictionaries: what a small one says, what a wrong one is told, and that the dialect agrees with the standard's own."""

from pathlib import Path

import pytest

from gateway.codecs import fix, fix_dialect, fix_dictionary
from gateway.codecs.fix import lib
from gateway.codecs.fix_dictionary import DictionaryError, FixDictionary
from gateway.codecs.rows import LAYOUTS, Source
from tests.codecs.fixtext import soh

# Wire values that the dialect reads and 4.4 does not have, as its comments say: 39=5 is 4.2's, 851=4 is 5.0's.
BEYOND_44 = {39: {"5"}, 851: {"4"}}

SMALL = """
<fix type="FIX" major="4" minor="4">
 <header><field name="MsgType" required="Y"/></header>
 <trailer><field name="CheckSum" required="Y"/></trailer>
 <messages>
  <message name="News" msgtype="B" msgcat="app">
   <field name="Headline" required="Y"/>
   <component name="Lines" required="N"/>
  </message>
  <message name="Heartbeat" msgtype="0" msgcat="admin"><component name="Lines" required="Y"/></message>
 </messages>
 <components>
  <component name="Lines"><group name="LinesOfText" required="Y"><field name="Text" required="Y"/></group></component>
 </components>
 <fields>
  <field number="10" name="CheckSum" type="STRING"/>
  <field number="33" name="LinesOfText" type="NUMINGROUP"/>
  <field number="35" name="MsgType" type="STRING"><value enum="B" description="NEWS"/><value enum="0" description="HEARTBEAT"/></field>
  <field number="58" name="Text" type="STRING"/>
  <field number="148" name="Headline" type="STRING"/>
 </fields>
</fix>
"""


def read(tmp_path: Path, text: str) -> FixDictionary:
    path = tmp_path / "small.xml"
    path.write_text(text)
    return fix_dictionary.load(path)


def test_a_small_dictionary(tmp_path: Path) -> None:
    small = read(tmp_path, SMALL)
    assert small.begin_string == "FIX.4.4"
    assert small.fields[35].values == {"B": "NEWS", "0": "HEARTBEAT"}
    assert (small.name(148), small.name(149), small.names()["Text"]) == ("Headline", "149", 58)
    news = small.messages["B"]
    assert (news.name, news.is_admin, small.messages["0"].is_admin) == ("News", False, True)
    assert [(m.tag, m.required) for m in news.members.values()] == [(148, True), (33, False)]
    assert small.messages["0"].members[33].required, "required by the component, which is required"
    group = news.members[33].group
    assert group is not None and [(m.tag, m.required) for m in group.values()] == [(58, True)]
    assert news.tags() == {148, 33, 58}
    assert list(small.header) == [35] and list(small.trailer) == [10]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("</fix>", "", "is not XML"),
        ("<fix type", "<fixx type", "is not XML"),
        ('name="Headline" required="Y"', 'name="Headlin" required="Y"', "message News: field 'Headlin' is not defined"),
        ('<component name="Lines" required="N"/>', '<component name="Line" required="N"/>', "component 'Line' is not defined"),
        ('<group name="LinesOfText" required="Y">', '<component name="Lines" required="Y"/><group name="LinesOfText" required="Y">', "contains itself"),
        ('msgtype="0"', 'msgtype="B"', "type 'B' is taken by News"),
        ('number="58"', 'number="0"', "field Text: number '0' is no tag"),
        ('number="58"', 'number="x"', "field Text: number 'x' is no tag"),
        ('number="58" ', "", "<field>: attribute 'number' is missing"),
        (' major="4"', "", "<fix>: attribute 'major' is missing"),
    ],
)
def test_a_wrong_dictionary_is_told_what_is_wrong(tmp_path: Path, old: str, new: str, what: str) -> None:
    assert old in SMALL
    with pytest.raises(DictionaryError) as caught:
        read(tmp_path, SMALL.replace(old, new, 1).strip())
    assert str(caught.value).startswith("small.xml: ") and what in str(caught.value)


def test_what_is_no_dictionary_is_told_so(tmp_path: Path) -> None:
    for text in ("<html/>", "<fix type='FIX' major='4' minor='4'/>", ""):
        with pytest.raises(DictionaryError):
            read(tmp_path, text)
    with pytest.raises(DictionaryError, match="cannot be read"):
        fix_dictionary.load(tmp_path / "none.xml")


def test_the_dialect_says_what_the_standard_says(outside: Path) -> None:
    standard = fix_dictionary.load(outside / "fix-dictionaries" / "FIX44.xml")
    dialect = fix_dialect.load("fix44")
    tree = Source.read(LAYOUTS / "venues" / "fix44.toml").tree
    enums, codes = tree["enum"], tree["code"]
    for tag, name in dialect.tag_names.items():
        assert standard.name(tag) == name
    for msg_type, name in dialect.message_names.items():
        assert standard.messages[msg_type].name == name
    for message in dialect.messages.values():
        its = standard.messages[message.type]
        for row in message.rows:
            assert row.tag in its.tags(), f"{message.name} has {row.name}"
            values = standard.fields[row.tag].values
            if values and row.constant:
                assert row.constant in values
            if row.kind == lib.GW_FIX_KIND_ENUM:
                table = {w for w, name in enums[row.table].items() if isinstance(name, str)}
                assert table - set(values) == BEYOND_44.get(row.tag, set()), row.name
            if row.kind == lib.GW_FIX_KIND_CODE:
                assert {str(number) for number in codes[row.table].values()} <= set(values), row.name
        required = {m.tag for m in its.members.values() if m.required and m.group is None}
        written = {row.tag for row in message.rows if row.is_written}
        assert required <= written, f"{message.name} can write what is required"


def test_a_golden_message_is_sound_by_the_standard(outside: Path) -> None:
    standard = fix_dictionary.load(outside / "fix-dictionaries" / "FIX44.xml")
    for path in sorted((Path(__file__).parents[1] / "golden" / "fix44").glob("*.txt")):
        text = next(line for line in path.read_text().splitlines() if line.startswith("wire "))
        seen = fix.scan(soh(text.removeprefix("wire ")))
        message, body = standard.messages[seen.msg_type], dict(seen.fields[seen.first_body :])
        assert {m.tag for m in message.members.values() if m.required} <= set(body), path.stem
        assert {tag for tag in body if tag < 5000} <= message.tags(), path.stem
        for tag, value in body.items():
            if tag in standard.fields and standard.fields[tag].values:
                assert value.decode() in standard.fields[tag].values, (path.stem, tag)


def test_every_dictionary_there_is_can_be_read(outside: Path) -> None:
    paths = sorted((outside / "fix-dictionaries").glob("*.xml"))
    assert len(paths) >= 9
    for path in paths:
        dictionary = fix_dictionary.load(path)
        assert dictionary.fields and dictionary.messages
