"""Exact decimals: "187.25" at exponent −4 is the integer 1872500, and back; never a float, never a rounding."""

import re

INT64_MAX = 2**63 - 1
_DECIMAL = re.compile(r"(-?)(\d{1,30})(?:\.(\d{1,30}))?", re.ASCII)


def to_mantissa(text: str, exponent: int) -> int:
    """The integer m with m × 10^exponent equal to `text` (digits, at most one point, a leading minus).

    Raises: TypeError for a float, saying what to write; ValueError if it is no decimal, is finer than 10^exponent or exceeds 64 bits.
    """
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is a {type(text).__name__}; write it as text, \"{text}\", so that it stays exact")
    match = _DECIMAL.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a decimal number such as 187.25")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    shift = -exponent - len(fraction)
    mantissa, rest = divmod(int(whole + fraction + "0" * shift), int("1" + "0" * -shift))
    if rest:
        raise ValueError(f"{text} is finer than 10^{exponent}")
    if mantissa > INT64_MAX:
        raise ValueError(f"{text} does not fit in 64 bits at 10^{exponent}")
    return -mantissa if sign else mantissa


def to_text(mantissa: int, exponent: int) -> str:
    """The shortest decimal equal to mantissa × 10^exponent: to_text(1872500, -4) == "187.25"."""
    sign, digits = "-" if mantissa < 0 else "", str(abs(mantissa))
    if exponent >= 0:
        return sign + digits + "0" * exponent * (mantissa != 0)
    digits = digits.rjust(1 - exponent, "0")
    return sign + (digits[:exponent] + "." + digits[exponent:]).rstrip("0").rstrip(".")
