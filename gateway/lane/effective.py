"""What a lane runs with, as the bytes of the journal's first record: configuration, instruments, layouts and build, but no secret."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from gateway.codecs.rows import LAYOUTS
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.instruments import Instrument, Instruments

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Effective:
    """`secrets`: the length of each secret by its name; its bytes are stars wherever the journal has them."""

    config: Config
    instruments: Instruments
    secrets: Mapping[str, int]
    build: str
    layouts: Mapping[str, str]

    def starred(self) -> dict[str, str]:
        """Secrets that make the frames as journaled."""
        return {name: "*" * length for name, length in self.secrets.items()}


def layout_texts() -> dict[str, str]:
    """Every layout file by its path below the layouts folder."""
    return {str(path.relative_to(LAYOUTS)): path.read_text() for path in sorted(LAYOUTS.rglob("*.toml"))}


def to_bytes(config: Config, instruments: Instruments, secrets: Mapping[str, str], build: str) -> bytes:
    """The payload of the START record."""
    return json.dumps(
        {
            "format": FORMAT,
            "build": build,
            "config": config.model_dump(mode="json"),
            "instruments": [asdict(row) for row in instruments.rows],
            "secrets": {name: len(value.encode("latin-1", "replace")) for name, value in secrets.items()},
            "layouts": layout_texts(),
        },
        separators=(",", ":"),
    ).encode()  # keys stay in their order: it is the order of the lane's numbers


def _instrument(row: dict[str, Any]) -> Instrument:
    row["ticks"] = tuple((start, tick) for start, tick in row["ticks"])
    return Instrument(**row)


def from_bytes(payload: bytes) -> Effective:
    """The inverse. Raises: ConfigError if it is none, or one of another format."""
    try:
        found: dict[str, Any] = json.loads(payload)
    except ValueError as error:
        raise ConfigError([f"the journal's first record holds no configuration: {error}"]) from None
    if found.get("format") != FORMAT:
        raise ConfigError([f"the journal's first record is of format {found.get('format')!r}; this build reads {FORMAT}"])
    try:
        config = Config.model_validate(found["config"], context={})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ConfigError(
            [f"the journal was begun with a configuration that this build does not take: {wrong}; drain it with the build that wrote it, then begin anew"]
        ) from None
    return Effective(
        config=config,
        instruments=Instruments(tuple(_instrument(row) for row in found["instruments"])),
        secrets=found["secrets"],
        build=found["build"],
        layouts=found["layouts"],
    )
