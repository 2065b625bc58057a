"""How figures are written for people."""


def percent(share: float) -> str:
    """A share in per cent with one decimal."""
    return f"{100 * share:.1f} %"


def percents(low: float, high: float) -> str:
    """A range of shares in per cent with one decimal."""
    return f"{100 * low:.1f}–{100 * high:.1f} %"
