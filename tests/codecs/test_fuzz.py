"""The fuzz entry of the layout interpreter under AddressSanitizer: its corpus, and damaged versions of each file of it."""

import subprocess
from pathlib import Path

import pytest

from gateway import native
from tests.codecs.corpus import write
from tests.codecs.support import ALL

pytestmark = pytest.mark.more

CC = "cc -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Wconversion -Wshadow -Werror -fsanitize=address,undefined -fno-sanitize-recover=undefined"


def test_the_corpus_and_its_damaged_versions_do_no_harm(tmp_path: Path) -> None:
    csrc = native.ROOT / "csrc"
    program = tmp_path / "fuzz_layout"
    subprocess.run([*CC.split(), f"-I{csrc}", csrc / "fuzz" / "fuzz_layout.c", csrc / "layout.c", "-o", program], check=True)
    files = write(tmp_path / "corpus")
    # A process under LD_PRELOAD of the sanitizer's library would find it twice.
    done = subprocess.run([program, "-m", "4000" if ALL else "400", *files], capture_output=True, text=True, env={"ASAN_OPTIONS": "detect_leaks=1"})
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"{len(files)} files" in done.stdout
