"""The figures: one for each question."""

from __future__ import annotations

import statistics
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiment.settings import NBR_GENERATED
from study import questions
from study.cases import select
from study.runner import Row
from support.figures import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = {
    "linear": {"color": "black", "linestyle": "-", "marker": "o"},
    "tanh": {"color": "tab:green", "linestyle": "-.", "marker": "^"},
    "LSTM": {"color": "tab:red", "linestyle": "--", "marker": "s"},
    "LSTM, forget bias 1": {"color": "tab:orange", "linestyle": ":", "marker": "^"},
    "LSTM, chrono": {"color": "tab:red", "linestyle": "--", "marker": "s"},
    "LSTM, 62, curriculum": {"color": "tab:blue", "linestyle": "-", "marker": "D"},
    "LSTM, 128, curriculum": {"color": "tab:purple", "linestyle": "-.", "marker": "v"},
    "LSTM, 128, one lag": {"color": "tab:red", "linestyle": "--", "marker": "s"},
}
"""How each cell is drawn; a figure's lines differ without colours, too."""
SHORT_TO_LONG = (("0.75", "o"), ("0.6", "v"), ("0.45", "^"), ("0.25", "s"), ("0", "D"))
"""The shade and the marker of each training, by the number of blanks it came to."""


def plot_recall(rows: list[Row], path: Path, xlabel: str, title: str) -> None:
    """Recall against the lag: medians of the seeds, and their spread as a band.

    A run that diverged recalls nothing.
    """
    figure, axes = titled_figure(title)
    lags = sorted({row["lag"] for row in rows})
    for model in questions.MEMORY_MODELS:
        recalls = [
            [row.get("recall_accuracy", 0.0) for row in select(rows, model=model, lag=lag)]
            for lag in lags
        ]
        axes.plot(lags, [statistics.median(r) for r in recalls], label=model, **LINES[model])
        axes.fill_between(
            lags,
            [min(r) for r in recalls],
            [max(r) for r in recalls],
            color=LINES[model]["color"],
            alpha=0.15,
        )
    axes.axhline(1 / rows[0]["num_digits"], color="0.5", linewidth=0.8, label="chance")
    axes.set(xscale="log", xlabel=xlabel, ylabel="recall accuracy", ylim=(0, 1.02))
    axes.set_xticks(lags, map(str, lags))
    axes.minorticks_off()
    axes.legend()
    save_figure(figure, path, dpi=130)


def plot_span(rows: list[Row], path: Path) -> None:
    plot_recall(rows, path, "blanks between the digits and the delimiter", "Recall against the lag")


def plot_variable_lag(rows: list[Row], path: Path) -> None:
    plot_recall(
        rows, path, "largest number of blanks", "Recall where each sequence has its own lag"
    )


def plot_reach(rows: list[Row], path: Path) -> None:
    figure, axes = titled_figure("The longest lags: time taken and recall")
    for model in dict.fromkeys(row["model"] for row in rows):
        line = LINES[model]
        of_model = [row for row in rows if row["model"] == model]
        above = line["marker"] in "oD"  # so that no two labels meet
        lags, minutes = zip(*((row["lag"], row["seconds"] / 60) for row in of_model), strict=True)
        axes.plot(lags, minutes, label=model, **{**line, "marker": ""})
        for row in of_model:
            axes.plot(
                row["lag"],
                row["seconds"] / 60,
                marker=line["marker"],
                color=line["color"],
                fillstyle="full" if row["solved"] else "none",
                markersize=8,
            )
            axes.annotate(
                f"{questions.get_recall_at_lag(row):.2%}",
                (row["lag"], row["seconds"] / 60),
                xytext=(-30, 8) if above else (6, -12),
                textcoords="offset points",
                fontsize=8,
            )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="blanks between the digits and the delimiter"
        f" (hollow: below {questions.SOLVED:.0%} recall)",
        ylabel="minutes of the whole run",
    )
    axes.margins(0.1)
    axes.yaxis.set_major_formatter("{x:g}")
    lags = sorted({row["lag"] for row in rows})
    axes.set_xticks(lags, map(str, lags))
    axes.minorticks_off()
    axes.legend()
    save_figure(figure, path, dpi=130)


def plot_curriculum(rows: list[Row], path: Path) -> None:
    """A panel for each cell: recall against the lag, a line for each training. And the ablations.

    A run that diverged is left out of the panels, and recalls nothing in the ablations.
    """
    figure = new_figure(12, 8)
    figure.suptitle("Recall against the lag after a curriculum")
    *panels, ablations = figure.subplots(2, 3).flat
    for model, axes in zip(questions.CURRICULUM_MODELS, panels, strict=True):
        for trained, (shade, marker) in zip(questions.CURRICULUM_LAGS, SHORT_TO_LONG, strict=False):
            runs = select(rows, model=model, trained=trained, variant=questions.AS_IT_IS)
            curves = [dict(row["recall_by_lag"]) for row in runs if not row["diverged"]]
            lags = sorted(curves[0]) if curves else []
            recalls = [[curve[lag] for curve in curves] for lag in lags]
            axes.plot(
                lags,
                [statistics.median(r) for r in recalls],
                color=shade,
                marker=marker,
                label=f"up to {trained:,}",
            )
            axes.fill_between(
                lags, [min(r) for r in recalls], [max(r) for r in recalls], color=shade, alpha=0.2
            )
        axes.axhline(1 / rows[0]["num_digits"], color="0.5", linewidth=0.8, linestyle=":")
        axes.set_xscale("symlog", linthresh=1)  # as a logarithm, but shows 0
        axes.set(title=model, ylim=(0, 1.02), xlim=(-0.2, None), xlabel="blanks")
        axes.set_xticks([0, 1, 10, 100, 1000], ["0", "1", "10", "100", "1,000"])
    for axes in figure.axes[::3]:
        axes.set(ylabel="recall accuracy")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, title="trained", loc="outside lower center", ncols=len(labels))
    _draw_ablations(ablations, rows)
    save_figure(figure, path, dpi=130)


def _draw_ablations(axes: Axes, rows: list[Row]) -> None:
    """The updates of each run, beside the name of its variant and its recall."""
    names = []
    for place, variant in enumerate(questions.ABLATIONS):
        runs = select(rows, model="LSTM, 62", trained=200, variant=variant)
        for row in runs:
            is_solved = row.get("recall_accuracy", 0.0) >= questions.SOLVED
            fill = "full" if is_solved else "none"
            axes.plot(row["updates"], place, "ko", fillstyle=fill)
        recall = statistics.median(row.get("recall_accuracy", 0.0) for row in runs)
        names.append(f"{variant}: {recall:.1%}")
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.set(
        title="LSTM, 62, up to 200: what matters",
        xlabel=f"updates (hollow: below {questions.SOLVED:.0%} recall)",
        xlim=(0, None),
    )


def plot_sine(rows: list[Row], path: Path) -> None:
    """Top: the error over the horizon. Bottom: what the variants change."""
    import numpy as np

    from study.linear import fit_delay_line, fit_predictor

    figure, (over_horizon, of_variants) = titled_figure(
        "Continued sine curves at equal numbers of parameters", nbr_panels=2
    )
    horizon = np.arange(1, NBR_GENERATED + 1)
    for model in questions.SINE_MODELS:
        line = {**LINES[model], "marker": ""}
        runs = select(rows, model=model, variant=questions.AS_IT_IS, diverged=False)
        errors = np.array([row["squared_errors"] for row in runs])
        over_horizon.plot(horizon, np.median(errors, axis=0), label=model, **line)
        over_horizon.fill_between(
            horizon, errors.min(0), errors.max(0), color=line["color"], alpha=0.15
        )
    over_horizon.plot(
        horizon,
        fit_delay_line().errors,
        color="black",
        linestyle=":",
        linewidth=2,
        label="linear, built by hand",
    )
    over_horizon.plot(
        horizon,
        fit_predictor().errors,
        color="0.6",
        linewidth=4,
        label="best linear predictor (float64)",
    )
    over_horizon.axhline(0.5, color="0.5", linestyle=":", label="always predicting 0")
    over_horizon.set(
        yscale="log", xlabel="samples after the last one seen", ylabel="mean squared error"
    )
    over_horizon.legend()
    _draw_dots(
        of_variants,
        rows,
        questions.SINE_MODELS,
        "variant",
        questions.SINE_VARIANTS,
        "continuation_mse",
    )
    of_variants.set(yscale="log", ylabel="mean squared error over 100 samples")
    for label in of_variants.get_xticklabels():
        label.set(rotation=20, horizontalalignment="right")
    save_figure(figure, path, dpi=130)


def _draw_dots(
    axes: Axes,
    rows: list[Row],
    models: Collection[str],
    column: str,
    places: Collection[str],
    metric: str,
) -> None:
    """A dot for each run that did not diverge: models beside one another at each place."""
    for position, model in enumerate(models):
        for place, name in enumerate(places):
            runs = select(rows, model=model, diverged=False, **{column: name})
            axes.plot(
                [place + 0.2 * (position - (len(models) - 1) / 2)] * len(runs),
                [row[metric] for row in runs],
                label=model if place == 0 else None,
                color=LINES[model]["color"],
                marker=LINES[model]["marker"],
                linestyle="",
            )
    axes.set_xticks(range(len(places)), places)
    axes.legend()


def plot_optimizers(rows: list[Row], path: Path) -> None:
    """One panel per task: what each optimizer achieved, one point per seed."""
    figure, panels = titled_figure("Each optimizer at its best learning rate", nbr_panels=2)
    for task, axes in zip(("memory", "sin"), panels, strict=True):
        models = [model for of_task, model in questions.OPTIMIZER_CASES if of_task == task]
        _draw_dots(
            axes,
            select(rows, task=task),
            models,
            "optimizer",
            questions.OPTIMIZERS,
            questions.METRICS[task],
        )
        axes.set(title=f"{task} task")
    panels[0].set(ylabel="recall accuracy", ylim=(0, 1.02))
    panels[1].set(ylabel="mean squared error of the continuation", yscale="log")
    save_figure(figure, path, dpi=130)


def titled_figure(title: str, nbr_panels: int = 1) -> tuple[Figure, Any]:
    """A figure and its axes; for several panels, an array of axes."""
    figure = new_figure(8, 4.5 * nbr_panels)
    figure.suptitle(title)
    return figure, figure.subplots(nbr_panels)
