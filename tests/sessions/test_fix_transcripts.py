"""Every transcript of tests/transcripts/fix44, against the session under the pure-Python rim."""

from pathlib import Path

import pytest

from tests.sessions.transcript import TranscriptFailed, run, session_alone

FILES = sorted((Path(__file__).parents[1] / "transcripts" / "fix44").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    run(path, session_alone)


GOOD = "# a case\ngiven role=acceptor logged_on next_in=5 next_out=3\nwhen < 35=1|34=5|112=x|\n"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("then nothing", "messages 0, got 1"),
        ("then > 35=0|112=y|", "expected message"),
        ("then > 35=0|", "expected message"),
        ("then > 35=0|112=x|58=more|", "expected message"),
        ("then > 35=0|112=x|\nthen close", "close"),
        ("then > 35=0|112=x|\nthen event Ready", "events"),
        ("then > 35=0|112=x|\nthen inbox 35=D|", "inbox"),
        ("", "without"),
        ("now > 35=0|112=x|", "lines begin with"),
        ("then > 35=0|112=x|\nwhen explode\nthen nothing", "unknown step"),
    ],
)
def test_the_runner_fails_a_wrong_transcript(tmp_path: Path, lines: str, why: str) -> None:
    path = tmp_path / "case.txt"
    path.write_text(GOOD + lines)
    with pytest.raises(TranscriptFailed, match=why):
        run(path, session_alone)
    path.write_text(GOOD + "then > 35=0|112=x|")
    run(path, session_alone)
