"""Cards are drawn from the templates in ``cards/``."""

from __future__ import annotations

import jinja2

__all__ = ["drawn"]


def drawn(template: str, **values: object) -> str:
    """The text of a template of ``cards/``; a name in it that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("segbench.hub", "cards"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, and pages whose values the caller escapes
    )
    return environment.get_template(template).render(**values)
