"""The lane's extension, loaded once: `ffi` and `lib` of gateway.lane._lane."""

from typing import Any

from gateway.native import load

_extension = load("gateway.lane._lane")
ffi: Any = _extension.ffi
lib: Any = _extension.lib
