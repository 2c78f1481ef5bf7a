"""Reports as one HTML file that needs nothing else: a shell that all share, and figures drawn into it as SVG."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from utils.files import atomic_writer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Matplotlib knows colours, not CSS: it draws in these, and the page's own variables take their place, so that one
# figure follows the reader's light or dark theme. Their values are those of no other part of a figure.
INK, FAINT, GRID = "#010203", "#040506", "#070809"
CHOSEN, REJECTED, GOOD, POOR = "#0a0b0c", "#0d0e0f", "#101112", "#131415"
_VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    GRID: "--line",
    CHOSEN: "--chosen",
    REJECTED: "--rejected",
    GOOD: "--good",
    POOR: "--poor",
}
_STYLE: Any = {  # Matplotlib types its keys one by one
    "svg.fonttype": "none",  # text stays text: searchable, and sharp in the page's own font
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "hatch.color": FAINT,
}
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_FONT = re.compile(r"font-family: [^;\"]*")
_GROUP_ID = re.compile(r'<g id="[^"]*"')


def render_page(template: Path, **values: Any) -> str:
    """The page that a Jinja template makes, which extends ``html_page.html``; every value is escaped.

    Raises jinja2.UndefinedError for a value that the template names and nobody gave.
    """
    folders = [template.parent, Path(__file__).parent]
    environment = Environment(
        loader=FileSystemLoader(folders, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "count": count}
    return environment.get_template(template.name).render(**values)


def write_page(path: Path, template: Path, values: Mapping[str, Any]) -> None:
    """Render a page and write it whole or not at all."""
    page = render_page(template, **values)
    with atomic_writer(path) as file:
        file.write(page)


def percent(share: float, digits: int = 0) -> str:
    """A share as people read it: 0.973 is 97 %."""
    return f"{100 * share:.{digits}f} %"


def count(number: int) -> str:
    """A whole number with thousands apart: 12,613."""
    return f"{number:,}"


def svg_figure(name: str, description: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> Markup:
    """A figure as inline SVG, of ``size`` inches at most, in the page's colours; the same bytes on every run.

    ``name`` has to be another for each figure of a page: it keeps their ids apart. ``description`` is what a screen
    reader says. ``draw`` gets an empty figure and uses the colours of this module.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        buffer = StringIO()
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA, transparent=True)
    return Markup(_for_page(buffer.getvalue(), name, description))


def _for_page(svg: str, name: str, description: str) -> str:
    """Cut off what belongs to a file of its own, put in the page's colours and font, say what it shows."""
    svg = svg[svg.index("<svg") :].strip()
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = _FONT.sub("font-family: var(--font)", svg)
    # Groups are numbered anew in each figure and nothing refers to them; what is referred to gets the figure's name.
    svg = _GROUP_ID.sub("<g", svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    begin = svg.index(">")
    head = re.sub(r' (?:width|height)="[^"]*"', "", svg[:begin])
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', head)[1])  # type: ignore[index]
    title = Markup("<title>{}</title>").format(description)
    return f'{head} role="img" style="max-width: {width:.0f}pt">{title}{svg[begin + 1 :]}'
