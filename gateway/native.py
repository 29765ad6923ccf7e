"""The C extensions: reads public headers of csrc/ as cffi declarations, and loads the build that PORTCULLIS_BUILD names."""

import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# What a public header may hold beside declarations: guards and includes, which cffi does not read.
_NOT_FOR_CFFI = re.compile(r"^[ \t]*#[ \t]*(?:ifndef|ifdef|endif|include|pragma|define[ \t]+\w+[ \t]*(?:/[/*].*)?$).*$", re.M)


def cdef(*headers: str) -> str:
    """The text of `headers` (paths from the repository's root) as cffi's cdef takes it: the header is the declaration."""
    return "\n".join(_NOT_FOR_CFFI.sub("", (ROOT / header).read_text()) for header in headers)


def accepted(flag: str) -> list[str]:
    """The flag, if the compiler of this build knows it."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    tried = subprocess.run([*shlex.split(compiler), flag, "-E", "-x", "c", os.devnull], capture_output=True, check=False)
    return [flag] if tried.returncode == 0 else []


def load(module: str) -> Any:
    """The extension `module` (dotted, with .ffi and .lib) from its package, or from build/$PORTCULLIS_BUILD when that is set.

    Raises: ImportError naming the file that was looked for and the command that makes it; never falls back to another build.
    """
    variant = os.environ.get("PORTCULLIS_BUILD", "")
    if module in sys.modules:
        return sys.modules[module]
    if not variant:
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ImportError(f"{module}: the C extension is not built; run `make build`") from error
    path = ROOT / "build" / variant / (module.replace(".", "/") + ".abi3.so")
    if not path.exists():
        raise ImportError(f"{module}: PORTCULLIS_BUILD={variant}, but {path} does not exist; run `make build-{variant}`")
    loader = ExtensionFileLoader(module, str(path))
    spec = importlib.util.spec_from_file_location(module, path, loader=loader)
    assert spec is not None
    extension = importlib.util.module_from_spec(spec)
    sys.modules[module] = extension
    loader.exec_module(extension)
    return extension
