"""What every test may ask for: the outside data, and the seeds to run."""

import os
from pathlib import Path

import pytest

ALL = os.environ.get("PORTCULLIS_TESTS") == "all"


@pytest.fixture(scope="session")
def outside() -> Path:
    """The folder of outside data (packets/, matching/, fix-acceptance/ …); a test that needs it says when it was not run."""
    folder = os.environ.get("PORTCULLIS_OUTSIDE")
    if not folder:
        pytest.skip("not run: PORTCULLIS_OUTSIDE is not set (outside data: captures, order streams, acceptance definitions)")
    return Path(folder)


@pytest.fixture(scope="session")
def seeds() -> range:
    """The seeds of a simulated run: 30, or 200 with PORTCULLIS_TESTS=all; PORTCULLIS_SEED=N runs that one alone."""
    if one := os.environ.get("PORTCULLIS_SEED"):
        return range(int(one), int(one) + 1)
    return range(200 if ALL else 30)
