"""The table of all metrics, for the manual."""

from __future__ import annotations

from lipdub.metrics.registry import METRICS

_NEEDED = {"SPEECH": "speech", "SOURCE": "source", "GROUND_TRUTH": "ground truth", "RUN": "workspace"}
_HEADING = ("Row", "What it is", "Measured on", "Unit", "Good", "Needs", "Weights")


def render_metric_table() -> str:
    """Return a Markdown table with a line for each metric: id, title, region, unit, direction, inputs and weights."""
    lines = [_format_row(_HEADING), _format_row(["---"] * len(_HEADING))]
    for metric in map(METRICS.get, METRICS):
        needs = ", ".join(_NEEDED[need.name] for need in metric.needs)
        weights = f"`{metric.weights.name}`" if metric.weights is not None else ""
        title = metric.title[:1].upper() + metric.title[1:]
        what = f"{title}. {metric.note[:1].upper()}{metric.note[1:]}." if metric.note else title
        lines.append(_format_row([f"`{metric.id}`", what, metric.region, metric.unit, metric.better, needs, weights]))
    return "\n".join(lines)


def _format_row(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"
