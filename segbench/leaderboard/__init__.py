"""Results on disk, and the boards drawn from them; needs no torch.

``store`` keeps records with their tallies and predictions, ``table`` turns records into boards, ``rendering`` writes
boards as Markdown and CSV.
"""

from __future__ import annotations

__all__: list[str] = []
