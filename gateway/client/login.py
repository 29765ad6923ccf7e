"""Where the gateway is and as whom to log on: the address as typed, and the key file."""

from pathlib import Path

from gateway.client.core import Key, parse_key


def parse_address(address: str) -> tuple[str, int]:
    """HOST:PORT. Raises: ValueError that says what to write."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f'{address!r} is not an address; write "HOST:PORT", such as "127.0.0.1:7001"')
    return host.strip("[]"), int(port)


def key_of(key: Key | None, key_file: str | Path | None) -> Key:
    """The one of the two that was given. Raises: ValueError."""
    if (key is None) == (key_file is None):
        raise ValueError('a login needs one key; write key_file="examples/demo.key"')
    return key or read_key(key_file or "")


def read_key(file: str | Path) -> Key:
    """The key in `file`. Raises: ValueError that says what is wrong with it, never its secret."""
    try:
        text = Path(file).read_text(encoding="ascii")
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        raise ValueError(f"key file {file}: {error.strerror}; it holds one line, STRATEGY:BASE64 (`make build` makes that of the demo)") from None
    return parse_key(text, f"key file {file}")


def no_gateway(address: str, error: OSError) -> ConnectionError:
    """What to tell when nobody listens at `address`."""
    why = error.strerror or str(error) or "no answer"
    return ConnectionError(f"no gateway at {address}: {why}; `gateway run CONFIG` or `gateway demo --serve` starts one")
