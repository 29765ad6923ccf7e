"""The house keeps itself tidy: what would break silently (who imports whom, marks, paths, provenance) is held here as data."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOUSE = ("gateway", "risk", "simulators")

# Modules with the outside world in them. Everybody else is a function of bytes and time.
RIM_MODULES = ("time", "random", "secrets", "uuid", "socket", "select", "selectors", "os.urandom", "os.getrandom",
               "datetime.now", "datetime.utcnow", "datetime.datetime.now", "datetime.datetime.utcnow")  # fmt: skip
RIM = {
    "gateway.seams": "Clock, Rng, Net and Disk themselves",
    "gateway.client": "runs in the strategy's process and imports nothing else of the house; its core module is held below",
    "gateway.cli": "commands that wait for a process or speak to the admin socket",
    "gateway.tools": "commands of their own, beside the running gateway",
    "risk.killswitch": "its own process, standard library only",
    "simulators.demo": "starts and watches three processes",
}

# importer (and all below it): modules it must not import, directly or by name of a part; and why.
FORBIDDEN: list[tuple[str, tuple[str, ...], str]] = [
    ("gateway.sessions", ("trio", "os", "threading", "cffi", "gateway.lane", "gateway.control", *RIM_MODULES), "sans-I/O: bytes and time are arguments"),
    *(
        (f"gateway.control.{part}", ("trio", "os", "threading", *RIM_MODULES), "sans-I/O: trio only carries its commands")
        for part in ("core", "ending", "inputs", "line", "lines", "outbox", "strangers", "tongue")
    ),
    ("gateway.client.core", ("trio", "os", "threading", *RIM_MODULES), "sans-I/O: the shells own sockets and clocks"),
    ("gateway.codecs", ("trio", "gateway.lane", "gateway.control", "gateway.sessions"), "pure functions of bytes"),
    ("gateway.venues", ("trio", "gateway.lane", "gateway.control"), "declarations only"),
    ("gateway.journal", ("trio", "gateway.control"), "a reader is no task"),
    ("gateway.lane", ("trio", "gateway.control", "gateway.sessions"), "the seam knows neither plane's machines"),
    ("gateway.config", ("trio", "gateway.lane", "gateway.control", "gateway.codecs"), "must work before anything is built"),
    ("risk", ("trio", "gateway.lane", "gateway.control"), "what is allowed, readable without the gateway"),
    ("simulators", ("gateway.lane", "gateway.control", "gateway.app"), "a venue shares sessions and codecs, never the lane or control"),
]

# importer: the only parts of the house it may import.
ONLY: list[tuple[str, tuple[str, ...]]] = [
    ("gateway.client", ("gateway.client",)),
    ("risk.killswitch", ("risk",)),
    ("gateway.instruments", ("gateway.decimals", "gateway.errors", "gateway.limits", "gateway.toml_lines")),
]

# An extension module: the one package that may name it (gateway.native.load takes the name as a string).
EXTENSION_OWNERS = {
    "gateway.lane._lane": "gateway.lane",
    "gateway.codecs._codec": "gateway.codecs",
    "gateway.journal._journal": "gateway.journal",
    "risk._risk": "risk",
    "simulators.matching._book": "simulators.matching",
}

# Where a float would be a price or a quantity sooner or later.
NO_FLOATS = ("gateway.codecs", "gateway.instruments", "gateway.sessions", "gateway.venues", "risk")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the repository, new ones too, but none that git ignores."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True)
    return tuple(path for line in out.stdout.splitlines() if (path := ROOT / line).is_file())


@cache
def modules() -> dict[str, Path]:
    """Dotted name → file of every Python module of the house."""
    found = {}
    for path in tracked():
        parts = path.relative_to(ROOT).with_suffix("").parts
        if path.suffix == ".py" and parts[0] in HOUSE:
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """What `module` imports: "a.b" for `import a.b`, "a.b.c" for `from a.b import c`, "os.x" for a use of os.x."""
    path = modules()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [base, node.module]))
            found |= {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and (name := ast.unparse(node)).partition(".")[0] in ("os", "datetime"):
            found.add(name)
    return frozenset(found)


def within(name: str, *parents: str) -> bool:
    """True if dotted `name` is one of `parents` or lies below one."""
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


def test_nobody_imports_what_his_room_forbids() -> None:
    wrong = [
        f"{module} imports {name}: {why}"
        for importer, forbidden, why in FORBIDDEN
        for module in modules()
        if within(module, importer)
        for name in sorted(imports(module))
        if within(name, *forbidden)
    ]
    assert not wrong, "\n".join(wrong)


def test_some_may_import_only_their_own_rooms() -> None:
    wrong = [
        f"{module} imports {name}; of the house it may import only {', '.join(allowed)}"
        for importer, allowed in ONLY
        for module in modules()
        if within(module, importer)
        for name in sorted(imports(module))
        if within(name, *HOUSE) and not within(name, *allowed, importer)
    ]
    assert not wrong, "\n".join(wrong)


def test_clock_randomness_and_sockets_are_at_the_rim_only() -> None:
    wrong = [
        f"{module} imports {name}; take it from gateway.seams, or add the module to RIM with its reason"
        for module in modules()
        if not within(module, *RIM)
        for name in sorted(imports(module))
        if within(name, *RIM_MODULES)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_kill_switch_needs_the_standard_library_only() -> None:
    todo, seen, wrong = ["risk.killswitch"] if "risk.killswitch" in modules() else [], set(), []
    while todo:
        module = todo.pop()
        seen.add(module)
        for name in sorted(imports(module)):
            if inner := next((m for m in (name, name.rpartition(".")[0]) if m in modules()), None):
                todo += [inner] if inner not in seen else []
            elif name.partition(".")[0] not in sys.stdlib_module_names:
                wrong.append(f"{module} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_an_extension_is_named_by_its_owner_only() -> None:
    wrong = [
        f"{module} names {extension}; go through {owner}"
        for extension, owner in EXTENSION_OWNERS.items()
        for module, path in modules().items()
        if not within(module, owner)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value == extension
    ]
    wrong += [
        f"{module} imports {name}; use gateway.native.load"
        for module in modules()
        for name in imports(module)
        if within(name, *EXTENSION_OWNERS)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_packages_themselves_import_nothing() -> None:
    assert {package: imports(package) for package in HOUSE} == {package: frozenset() for package in HOUSE}


def test_the_build_id_is_of_all_the_code_that_decides() -> None:
    from gateway.lane.build import DECIDES

    included = {f"csrc/{name}" for source in DECIDES for name in re.findall(r'(?m)^#include "(.+)"', (ROOT / source).read_text())}
    assert included <= set(DECIDES), f"another build could replay a journal that it did not write: {sorted(included - set(DECIDES))}"


def test_no_floats_where_prices_are() -> None:
    wrong = []
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())) if within(module, *NO_FLOATS) else ():
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            if literal or call:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: a float; mantissas and exponents are integers")
    assert not wrong, "\n".join(wrong)


def test_tests_do_not_really_sleep() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in tracked()
        if path.name.startswith("test_") and path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep"
    ]
    assert not wrong, wrong


def text_lines() -> Iterator[tuple[str, str]]:
    """("file:line", text) of every line of every text file but the licence, the lock and this file, which names what it forbids."""
    for path in tracked():
        if path == Path(__file__) or path.name in ("LICENSE", "requirements.lock"):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line


def lines_with(pattern: str) -> list[str]:
    found = re.compile(pattern)
    return [f"{where}: {line.strip()[:100]}" for where, line in text_lines() if found.search(line)]


def test_nothing_is_left_unfinished() -> None:
    assert not lines_with(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|NotImpl" r"ementedError)\b|mark\.(sk" r"ip|xf" r"ail)\b")


def test_no_path_of_one_machine() -> None:
    assert not lines_with(r"(^|[^\w.])/(home|root|Users|opt|srv|work)/[a-z.]")


def test_no_package_registry_is_named() -> None:
    assert not lines_with(r"py" r"pi\.org|pythonhosted\.org|npmjs\.(org|com)|crates\.io|proxy\.golang\.org|--(extra-)?index-url |--find-links ")
    assert "://" not in (ROOT / "requirements.lock").read_text()


def opening(path: Path) -> str:
    """What the top of a file says of it: a module's docstring, else the first comment; empty if there is none."""
    text = path.read_text()
    if path.suffix == ".py":
        return (ast.get_docstring(ast.parse(text)) or "").partition("\n\n")[0]
    text = re.sub(r"\A#!.*\n", "", text)
    if path.suffix in (".c", ".h"):
        comment = re.match(r"\s*(?:/\*(.*?)\*/|((?://.*\n)+))", text, re.S)
        return " ".join(filter(None, comment.groups())).strip("/* \n") if comment else ""
    comment = re.match(r"(?:#.*\n)+", text)
    return comment.group().strip("# \n") if comment else ""


def test_every_file_says_its_job_at_its_top() -> None:
    speaks = (".py", ".c", ".h", ".toml", ".sh", ".md", ".csv", ".txt", ".in", ".dialect")
    mute = [
        f"{path.relative_to(ROOT)}: begin with one sentence (a docstring or comment) that says the file's job"
        for path in tracked()
        if (path.suffix in speaks or path.name in ("Makefile", "run")) and not opening(path)
    ]
    assert not mute, "\n".join(mute)


def test_every_golden_file_says_where_its_bytes_are_from() -> None:
    silent = [
        f"{path.relative_to(ROOT)}: needs a line `# provenance: document, date, page` or `# provenance: capture …`"
        for path in tracked()
        if path.is_relative_to(ROOT / "tests" / "golden") and not re.search(r"(?im)^[#;/ *]*provenance: *\S", path.read_text())
    ]
    assert not silent, "\n".join(silent)


def test_the_lock_pins_and_hashes_everything() -> None:
    lock = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    requirements = [line for line in lock if line and not line.startswith("#")]
    loose = [line.split()[0] for line in requirements if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:", line)]
    assert len(requirements) > 20 and not loose, loose
