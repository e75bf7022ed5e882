"""Checks of options that several parts share."""


def require_divisor(heads: int, width: int) -> None:
    """
    Raises:
        ValueError: if so many heads cannot share the width.
    """
    if heads < 1 or width % heads:
        raise ValueError(f"heads={heads} do not divide the width {width}; choose a divisor of {width}")


def require_dropout(dropout: float) -> None:
    """Where torch itself looks at it only in training.

    Raises:
        ValueError: if it is no share that may be dropped.
    """
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout should be at least 0 and below 1, got {dropout}")
