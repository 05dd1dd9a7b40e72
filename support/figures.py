"""Figures: made without a window, and never left half-written.

Matplotlib is imported with the first figure: a training need not wait for it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from support.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, path: str | os.PathLike, dpi: int = 150) -> None:
    """Writes a figure; a file of that name stays whole until then.

    Raises:
        OSError: If it cannot be written.
    """
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=dpi)
