"""The picture of a network's inside, `inside.png`: see `experiment.inside`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow.compat.v1 as tf

import data
from experiment.inside import Inside, Sequence, look_inside
from experiment.model import Model
from experiment.settings import Settings
from support.figures import new_figure, save_figure
from support.terminal import trim_message

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SYMBOLS = {"hidden": "h", "cell": "c"}
"""What the literature calls the fields of a state."""

LONGEST_TO_SCALE = 60
"""The number of time steps up to which a sequence of symbols is drawn to scale."""
MARGIN = 3
"""The number of blanks that stay to scale on both sides of a compressed stretch."""
COMPRESSED = 16
"""The width of a compressed stretch, in steps."""
MOST_SYMBOLS = 70
"""The width of a sequence, in steps, up to which there is room for its symbols."""
LEAST_GRADIENT = 1e-12
"""The share of a gradient below which nothing is drawn."""

CAPTIONS = {
    "memory": "To recall, a network must hold the digits and keep them while it waits;"
    " to learn that, the gradient must reach back to them.",
    "sin": "To predict, a network must hold and keep where in its swing the curve is;"
    " to learn that, the gradient must reach back.",
}
LOSSES = {"memory": "of the recalled digits", "sin": "of the last sample"}


def draw_inside(sess: tf.Session, model: Model, settings: Settings, out_dir: Path) -> str | None:
    """Looks inside a trained network, and leaves `inside.png`.

    Args:
        sess: A session with the trained variables.
        model: Its graph.
        settings: The experiment's settings.
        out_dir: An existing directory.

    Returns:
        None; or why there is no picture: it must not cost the run of an unusual cell.

    Raises:
        OSError: If the picture cannot be written.
    """
    try:
        plot_inside(look_inside(sess, model, settings), settings, out_dir)
    except OSError:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {trim_message(error)}"
    return None


def plot_inside(inside: Inside, settings: Settings, out_dir: Path) -> None:
    """Draws `inside.png` in an existing directory."""
    is_sine = settings.task == "sin"
    figure = new_figure(9, 10)
    figure.suptitle(_describe(inside, settings))
    heights = [3, 2.7, 2.4, 1 if is_sine else 0.7]
    panels = figure.subplots(
        4, 2, gridspec_kw={"width_ratios": [1, 0.02], "height_ratios": heights}
    )
    axis = TimeAxis(inside.sequence, settings)
    _draw_held(inside, axis, *panels[0])
    draw_kept = _draw_kept_by_unit if inside.kept_by_unit else _draw_eigenvalues
    draw_kept(inside, axis, *panels[1])
    _draw_learned(inside, axis, panels[2, 0], LOSSES[settings.task])
    if is_sine:
        _draw_curve(inside, axis, panels[3, 0])
    else:
        _draw_symbols(inside, axis, panels[3, 0], settings.num_digits)
    for axes, side in panels:
        axis.dress(axes, is_last=axes is panels[3, 0])
        if not side.has_data():
            side.set_axis_off()
    figure.supxlabel(CAPTIONS[settings.task], fontsize=9)
    save_figure(figure, out_dir / "inside.png")


def _describe(inside: Inside, settings: Settings) -> str:
    title = f"Inside the {settings.name_cell()} cell"
    if settings.task == "sin":
        return f"{title}: it predicts each next sample of a test curve"
    labels, asked = inside.sequence.labels, inside.sequence.asked
    nbr_right = np.sum(np.argmax(inside.outputs, axis=1)[asked] == labels[asked])
    nbr_blanks = inside.sequence.first_asked - 1 - settings.to_remember_len
    return f"{title}: after {nbr_blanks:,} blanks it recalls {nbr_right} of {asked.sum()} digits"


class TimeAxis:
    """Where the time steps are drawn; a long stretch of blanks is compressed."""

    def __init__(self, sequence: Sequence, settings: Settings):
        self.length = length = len(sequence.x)
        self.phases: dict[int, str] = {}
        """The parts of the sequence by their first steps."""
        self.compressed = range(0)
        """The steps that are compressed."""
        if settings.task == "memory":
            waits, recalls = settings.to_remember_len, sequence.first_asked
            self.phases = {0: "digits", waits: "blanks", recalls: "recall"}
            stretch = range(waits + MARGIN, recalls - MARGIN)
            if length > LONGEST_TO_SCALE and len(stretch) > COMPRESSED:
                self.compressed = stretch
        saved = max(0, len(self.compressed) - COMPRESSED)
        self._steps = [0, self.compressed.start, self.compressed.stop, length]
        self._places = [*self._steps[:2], self._steps[2] - saved, length - saved]

    @property
    def width(self) -> int:
        return self._places[-1]

    def edge(self, step: np.ndarray | int) -> np.ndarray:
        """The place where a step begins."""
        return np.interp(step, self._steps, self._places)

    def middle(self, step: np.ndarray | int) -> np.ndarray:
        return self.edge(np.asarray(step) + 0.5)

    def dress(self, axes: Axes, *, is_last: bool) -> None:
        """Gives a panel its time axis; the last one of the picture has the numbers."""
        axes.set_xlim(0, self.width)
        for step in [*self.phases][1:]:
            axes.axvline(self.edge(step), color="0.4", linewidth=0.8, linestyle=":")
        if self.compressed:  # the axis is broken there
            breaks = self.edge(np.array([self.compressed.start, self.compressed.stop]))
            slash = {"marker": [(-0.5, -1), (0.5, 1)], "markersize": 9, "clip_on": False}
            at_bottom = axes.get_xaxis_transform()
            axes.plot(breaks, [0, 0], color="black", linestyle="", transform=at_bottom, **slash)
        if not is_last:
            axes.set_xticks([])
            return
        if self.phases:
            steps = [*self.phases, self._steps[-1] - 1]
            axes.set_xticks(self.middle(steps), [step + 1 for step in steps])


def _draw_held(inside: Inside, axis: TimeAxis, axes: Axes, side: Axes) -> None:
    symbol = SYMBOLS.get(inside.memory, inside.memory)
    until = inside.sequence.first_asked
    largest = np.max(np.abs(inside.held[:until]), axis=0) + np.finfo(np.float32).tiny
    _draw_units(inside.held / largest, np.arange(len(inside.held)), "cividis", -1, axis, axes, side)
    axes.set_ylabel("unit, by when it lets go" if axis.phases else "unit, by its phase")
    _title(
        axes,
        f"What it holds: the {len(inside.units)} most active units of ${symbol}_t$,"
        f" each relative to its largest value{' until recall' if axis.phases else ''}",
        pad=20 if axis.phases else 6,
    )
    starts = [*axis.phases, len(inside.held)]
    for start, end, name in zip(starts, starts[1:], axis.phases.values(), strict=False):
        place = (axis.edge(start) + axis.edge(end)) / 2
        axes.annotate(
            name, (place, 1.01), xycoords=("data", "axes fraction"), ha="center", va="bottom"
        )


def _draw_kept_by_unit(inside: Inside, axis: TimeAxis, axes: Axes, side: Axes) -> None:
    symbol = SYMBOLS.get(inside.memory, inside.memory)
    _draw_units(inside.kept, inside.steps, "Greys", 0, axis, axes, side)
    _title(
        axes,
        f"What it keeps: $\\partial {symbol}_t / \\partial {symbol}_{{t-1}}$ of the same units"
        " (black: all); an LSTM's forget gates",
    )


def _draw_units(
    values: np.ndarray,
    steps: np.ndarray,
    colours: str,
    least: float,
    axis: TimeAxis,
    axes: Axes,
    side: Axes,
) -> None:
    """A heat map of values [S, U] from `least` to 1, with its scale on the side."""
    edges = axis.edge(np.append(steps, axis.length))
    mesh = axes.pcolormesh(
        edges, np.arange(values.shape[1] + 1), values.T, cmap=colours, vmin=least, vmax=1
    )
    is_beyond = values.min() < least - 1e-3 or values.max() > 1 + 1e-3
    axes.figure.colorbar(mesh, cax=side, extend="both" if is_beyond else "neither")
    axes.invert_yaxis()
    axes.set(ylabel="unit", yticks=[])


def _draw_eigenvalues(inside: Inside, axis: TimeAxis, axes: Axes, side: Axes) -> None:
    t = axis.middle(inside.steps)
    each, *_ = axes.plot(t, inside.kept, color="0.75", linewidth=0.6)
    each.set_label(f"each of {inside.kept.shape[1]}")
    axes.plot(t, inside.kept[:, 0], "k-", label="largest")
    axes.plot(t, np.median(inside.kept, axis=1), "k--", label="median")
    axes.axhline(1, color="black", linewidth=0.8, linestyle=":", label="1: kept as it is")
    axes.set(ylabel="eigenvalues' moduli", ylim=(0, 1.3 * max(1, inside.kept.max())))
    axes.legend(ncols=4, fontsize=9, loc="upper center")
    _title(
        axes,
        "What it keeps: by how much a step scales the state (below 1 it fades, above 1 it grows)",
    )


def _draw_learned(inside: Inside, axis: TimeAxis, axes: Axes, loss: str) -> None:
    reference = inside.sequence.first_asked - 1
    t = axis.middle(np.arange(len(inside.held)))
    times = (("after", inside.after, "-"), ("before", inside.before, "--"))
    for when, norms, style in times:
        for field in sorted(norms, key=lambda name: name != inside.memory):
            with np.errstate(divide="ignore", invalid="ignore"):
                share = norms[field] / norms[inside.memory][reference]
            share = np.where(share > LEAST_GRADIENT, share, np.nan)
            at_start = f"{share[0]:.2g}" if share[0] > 0 else f"below {LEAST_GRADIENT:g}"
            axes.semilogy(
                t,
                share,
                style,
                color="black" if field == inside.memory else "0.6",
                label=f"{when} training, by ${SYMBOLS.get(field, field)}_t$"
                f" (at step 1: {at_start})",
            )
    low, high = axes.get_ylim()
    axes.set(ylabel=f"relative to step {reference + 1}", ylim=(low, high * (high / low) ** 0.4))
    if high / low < 10:  # these are no powers of ten
        axes.yaxis.set_minor_formatter("{x:g}")
    axes.legend(ncols=2, fontsize=9, loc="upper center")
    _title(
        axes,
        f"How far it learns: the gradient of the loss {loss}, step by step"
        " (level: it reaches back)",
    )


def _draw_curve(inside: Inside, axis: TimeAxis, axes: Axes) -> None:
    t = axis.middle(np.arange(len(inside.held)))
    axes.plot(t, inside.sequence.labels, color="0.65", linewidth=4, label="next sample")
    axes.plot(t, inside.outputs[:, 0], "k--", linewidth=1.4, label="prediction")
    axes.legend(fontsize=9, loc="upper right")
    axes.set(xlabel="time step", ylabel="x(t)", ylim=(-1.4, 1.4))


def _draw_symbols(inside: Inside, axis: TimeAxis, axes: Axes, num_digits: int) -> None:
    """What the network sees, and what it answers; wrong answers are white on black."""
    seen, answers = (np.argmax(a, axis=1) for a in (inside.sequence.x, inside.outputs))
    labels = inside.sequence.labels
    is_wrong = answers != labels
    rows = ["sees", "answers", *(["truth"] if is_wrong.any() else [])]
    places = 1 - (np.arange(len(rows)) + 0.5) / len(rows)
    axes.set(ylim=(0, 1), yticks=places, yticklabels=rows)
    axes.tick_params(axis="y", length=0)
    if axis.width > MOST_SYMBOLS:
        axes.text(axis.width / 2, 0.5, "(no room for the symbols)", ha="center", va="center")
        return
    names = [*map(str, range(num_digits)), data.BLANK, data.DELIMITER]
    legend = " (white on black: a wrong answer)" if is_wrong.any() else ""
    axes.set_xlabel(f"time step{legend}")
    wrong_style = {"color": "white", "bbox": {"facecolor": "black", "pad": 2}}
    for t in range(axis.length):
        if t in axis.compressed:
            continue
        place = axis.middle(t)
        style = wrong_style if is_wrong[t] else {}
        symbols = (seen[t], answers[t], labels[t])[: 3 if is_wrong[t] else 2]
        for height, symbol, look in zip(places, symbols, ({}, style, {}), strict=False):
            axes.text(place, height, names[symbol], ha="center", va="center", **look)
    if axis.compressed:
        middle = (axis.edge(axis.compressed.start) + axis.edge(axis.compressed.stop)) / 2
        text = f"… {len(axis.compressed):,} more blanks, drawn narrower …"
        axes.text(middle, 0.5, text, ha="center", va="center")


def _title(axes: Axes, text: str, pad: float = 6) -> None:
    axes.set_title(text, loc="left", fontsize=11, pad=pad)
