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
