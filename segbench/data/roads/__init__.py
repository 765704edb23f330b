"""Procedural street scenes: a small 3-D street, painted far to near.

    dice      random choices from raw PCG64 bits        noise    smooth random tiles
    camera    world metres to pixels                    light    sun, sky light, haze, exposure
    canvas    anti-aliased shapes, pixels and labels    classes  ids, names and colours
    street    what a scene consists of; drawn by lot in layout, houses, junctions, roadside, traffic, with paints
    sky, ground, walls, trees, vehicles, people, furniture, shadows    how each thing is painted
    scene     the order of painting                     lens     photograph and annotation

The same seed gives the same bytes on every machine: only operations that IEEE 754 rounds exactly (+ - * / and the
square root) reach a pixel; no BLAS, no sums of floats, no trigonometry, no random stream but the bit generator's own.
"""

from __future__ import annotations

__all__: list[str] = []
