"""Exact prices and quantities: what a strategy writes becomes a mantissa and an exponent, and back; never a float, never a rounding."""

import operator
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

Amount = str | int | Decimal | tuple[int, int]
"""A price or quantity: "187.25", Decimal("187.25"), 187, or (18725, -2) for 18725 × 10^-2."""

EXPONENT_MIN = -18  # a 64-bit mantissa has 19 digits; finer than this no price of one is left
INT64_MAX = 2**63 - 1


def parse(name: str, value: Amount) -> tuple[int, int]:
    """`value` as (mantissa, exponent), the exponent as near to 0 as it can be, never above.

    Raises: TypeError for a float and other types, saying what to write; ValueError for what is no finite number or too fine.
    """
    if isinstance(value, float):
        raise TypeError(f'{name}={value!r} is a float; write {name}="{value!r}"')
    if isinstance(value, str | Decimal):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        sign, digits, exponent = number.as_tuple()
        if not isinstance(exponent, int):
            raise ValueError(f'{name}={value!r} is no number; write it like {name}="187.25"')
        if len(digits) > 40 or not -40 <= exponent <= 40:
            raise ValueError(f"{name}={value!r} does not fit in 64 bits")
        mantissa = int("".join(map(str, digits))) * (-1 if sign else 1)
    elif isinstance(value, tuple) and len(value) == 2:
        mantissa, exponent = _whole(name, value[0]), _whole(name, value[1])
        if not -40 <= exponent <= 40:
            raise ValueError(f"{name}={value!r} does not fit in 64 bits")
    else:
        mantissa, exponent = _whole(name, value), 0
    while exponent < 0 and mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    if exponent > 0:
        mantissa, exponent = mantissa * 10**exponent, 0
    if exponent < EXPONENT_MIN:
        raise ValueError(f"{name}={value!r} is finer than 10^{EXPONENT_MIN}")
    return mantissa, exponent


def in_one_scale(amounts: Mapping[str, tuple[int, int]]) -> tuple[int, dict[str, int]]:
    """The finest exponent of `amounts`, and every mantissa at it. Raises: ValueError naming what does not fit in 64 bits."""
    exponent = min(exponent for _, exponent in amounts.values())
    mantissas = {name: mantissa * 10 ** (own - exponent) for name, (mantissa, own) in amounts.items()}
    for name, mantissa in mantissas.items():
        if abs(mantissa) > INT64_MAX:
            raise ValueError(f"{name}={text(mantissa, exponent)} does not fit in 64 bits at 10^{exponent}")
    return exponent, mantissas


def decimal(mantissa: int, exponent: int) -> Decimal:
    """mantissa × 10^exponent without trailing zeros; exact whatever the decimal context says."""
    return Decimal(text(mantissa, exponent))


def text(mantissa: int, exponent: int) -> str:
    """The shortest decimal equal to mantissa × 10^exponent: text(1872500, -4) == "187.25"."""
    sign, digits = "-" if mantissa < 0 else "", str(abs(mantissa))
    if exponent >= 0:
        return sign + digits + "0" * exponent * (mantissa != 0)
    digits = digits.rjust(1 - exponent, "0")
    return sign + (digits[:exponent] + "." + digits[exponent:]).rstrip("0").rstrip(".")


def _whole(name: str, value: object) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]  # what has no index is told below
    except TypeError:
        raise TypeError(f"{name}={value!r} is a {type(value).__name__}; write {name}=\"187.25\", a Decimal, or a whole number") from None
