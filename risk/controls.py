"""The controls of risk/controls.toml as values: read once, checked for sense, used by the model, the limits loader and the generator."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("controls.toml")
PLACEHOLDERS = ("{key}", "{value}", "{limit}", "{headroom}", "{scope}", "{name}", "{unit}")


@dataclass(frozen=True)
class Control:
    """One control; `index` is its number in csrc/controls.h and in every table."""

    index: int
    key: str
    code: str
    unit: str
    scopes: tuple[str, ...]  # where a limit may be set; empty: it has no limit
    compare: str
    decimal: bool
    mandatory: bool
    text: str
    ord_rej_reason: int  # FIX 4.4 tag 103
    by_scope: tuple[tuple[str, int], ...]  # (scope, 103 instead)
    source: str


@dataclass(frozen=True)
class Why:
    """One way of being refused; `index` is gw_breach.why."""

    index: int
    key: str
    text: str  # "": the control's own
    ord_rej_reason: int | None  # None: the control's own


@dataclass(frozen=True)
class Controls:
    scopes: tuple[str, ...]
    controls: dict[str, Control]
    whys: dict[str, Why]

    @property
    def limited(self) -> tuple[Control, ...]:
        """The controls that have limits; they come first, so their index is their row in a limits table."""
        return tuple(c for c in self.controls.values() if c.scopes)


@cache
def controls() -> Controls:
    """What controls.toml says. Raises: ValueError naming the control and what is wrong with it."""
    raw = tomllib.loads(FILE.read_text())
    scopes = tuple(raw["scopes"])
    whys = {key: Why(i, key, w["text"], w.get("ord_rej_reason")) for i, (key, w) in enumerate(raw["why"].items())}
    found: dict[str, Control] = {}
    for i, (key, c) in enumerate(raw["controls"].items()):
        by_scope = tuple(c.pop("by_scope", {}).items())
        control = Control(index=i, key=key, by_scope=by_scope, **{**c, "scopes": tuple(c["scopes"])})
        if unknown := [s for s in (*control.scopes, *dict(by_scope)) if s not in scopes]:
            raise ValueError(f"{FILE.name}: {key}: unknown scope {unknown[0]}; the scopes are {', '.join(scopes)}")
        if control.mandatory and not control.scopes:
            raise ValueError(f"{FILE.name}: {key}: mandatory, but no scope may set it")
        if control.scopes and any(not other.scopes for other in found.values()):
            raise ValueError(f"{FILE.name}: {key}: controls with limits come before those without")
        found[key] = control
    for text in [c.text for c in found.values()] + [w.text for w in whys.values()]:
        rest = text
        for placeholder in PLACEHOLDERS:
            rest = rest.replace(placeholder, "")
        if "{" in rest or not text.isascii() or '"' in text or "\\" in text:
            raise ValueError(f"{FILE.name}: text {text!r}: plain ASCII with {' '.join(PLACEHOLDERS)}")
    return Controls(scopes, found, whys)
