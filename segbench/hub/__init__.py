"""The Hugging Face Hub: what is put there and how it comes back. Private unless asked, merged and never overwritten."""

from __future__ import annotations

__all__: list[str] = []
