"""Examples are timed by nobody: the machine may be busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("metrics", deadline=None, max_examples=60)
settings.load_profile("metrics")
