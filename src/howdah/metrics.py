"""Metrics for Prometheus' textfile collector, always written whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from howdah import files
from howdah.instance import Instance


def labels(instance: Instance) -> dict[str, str]:
    """Return whose the metrics are; ``instance`` alone is Prometheus' own, which renames a label of that name."""
    return {"howdah_instance": instance.name, "environment": instance.environment}


def render(values: Mapping[str, tuple[str, float]], labels: Mapping[str, str]) -> str:
    """Return gauges in the text exposition format.

    :param values: per metric name its help text and value.

    >>> print(render({"a_seconds": ("Seconds.", 2.0)}, {"instance": "x"}), end="")
    # HELP a_seconds Seconds.
    # TYPE a_seconds gauge
    a_seconds{instance="x"} 2
    """
    quoted = ",".join(
        '{}="{}"'.format(name, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n"))
        for name, value in sorted(labels.items())
    )
    lines = []
    for name, (help_text, value) in values.items():
        number = f"{value:.15g}"
        lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge", f"{name}{{{quoted}}} {number}"]
    return "".join(f"{line}\n" for line in lines)


def read(path: Path) -> dict[str, float]:
    """Return the values of a file that :func:`write` wrote, by metric name; empty when there is none."""
    if not path.exists():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name.partition("{")[0]] = float(value)
    return found


def write(path: Path, text: str) -> None:
    """Replace a metrics file in one step, readable by the collector."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as stream:
        stream.write(text)
