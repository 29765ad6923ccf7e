"""The house keeps itself tidy: what would break silently is held here."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def tracked() -> list[Path]:
    """Every file of the repository, new ones too, but none that git ignores."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [path for line in out.stdout.splitlines() if (path := ROOT / line).is_file()]


def test_the_packages_themselves_import_nothing() -> None:
    for package in ("gateway", "risk", "simulators"):
        assert "import " not in (ROOT / package / "__init__.py").read_text().partition('"""\n')[2]
