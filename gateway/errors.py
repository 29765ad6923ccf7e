"""Errors of the house that end a command: each says what is wrong, where, and what would be right."""

from collections.abc import Iterable


class ConfigError(Exception):
    """A configuration, instrument or control file is wrong; raised at start only, with every problem found, not the first.

    problems: lines `file:line: key: what is wrong; what would be right`, in the order of the file.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        assert self.problems, "an error without a problem"
        super().__init__("\n".join(self.problems))


def meant(wrong: str, known: Iterable[str]) -> str:
    """What to write in place of `wrong`: the nearest known name, or all of them."""
    import difflib  # only where something is wrong: the commands that never need it start sooner

    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(names) or 'none'}"
