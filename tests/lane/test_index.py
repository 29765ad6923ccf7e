"""Where a token's search begins in its index: eight in a row of one connection side by side, those of other connections elsewhere."""

import subprocess
import sysconfig
from pathlib import Path

CSRC = Path(__file__).parents[2] / "csrc"
PLACES = """
#include <stdio.h>
#include "core.h"
int main(void) {
  for (uint32_t conn = 1; conn <= 64; conn++)
    for (uint64_t token = 4096; token < 4104; token++) printf("%u ", (unsigned)(gw_place(gw_token_key(conn, token)) & 65535u));
  return 0;
}
"""


def test_connections_that_count_in_step_do_not_crowd_one_place(tmp_path: Path) -> None:
    source, program = tmp_path / "places.c", tmp_path / "places"
    source.write_text(PLACES)
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    subprocess.run([compiler, "-std=c11", "-D_GNU_SOURCE", f"-I{CSRC}", "-o", str(program), str(source)], check=True)
    places = [int(place) for place in subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout.split()]
    eights = [places[at : at + 8] for at in range(0, len(places), 8)]
    assert all(eight == list(range(eight[0], eight[0] + 8)) for eight in eights), "an answer's neighbours are near"
    assert len({eight[0] for eight in eights}) > 60, "of 64 connections"
