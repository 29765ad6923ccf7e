"""What every test may ask for: the outside data, and the seed of a simulated run."""

import os
from pathlib import Path

import pytest

SEED_COUNT = 200 if os.environ.get("PORTCULLIS_TESTS") == "all" else 30


def seeds() -> list[int]:
    """0 … 29, or 0 … 199 with PORTCULLIS_TESTS=all; PORTCULLIS_SEED=N gives that one alone."""
    one = os.environ.get("PORTCULLIS_SEED")
    return [int(one)] if one else list(range(SEED_COUNT))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `seed` runs once for each; its name shows the seed, so that a failure says how to repeat it."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds(), ids="seed={}".format)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m more`: the tests for which PORTCULLIS_TESTS=all makes a difference."""
    for item in items:
        if "seed" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.more)


@pytest.fixture(scope="session")
def outside() -> Path:
    """The folder of outside data (packets/, matching/, fix-acceptance/ …); a test that needs it says when it was not run."""
    folder = os.environ.get("PORTCULLIS_OUTSIDE")
    if not folder:
        pytest.skip("not run: PORTCULLIS_OUTSIDE is not set (outside data: captures, order streams, acceptance definitions)")
    return Path(folder)
