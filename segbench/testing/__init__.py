"""What tests of segbench and of its plugins share; nothing of segbench itself imports it.

:class:`LoopbackHub` is a Hugging Face Hub on 127.0.0.1 that the real ``huggingface_hub`` and ``datasets`` clients talk
to: creating, LFS uploads, commits and their conflicts, branches, private repositories, and faults on request.

    >>> from segbench.testing import LoopbackHub
    >>> with LoopbackHub() as hub:
    ...     subprocess.run(["segbench", "push", ...], env=os.environ | hub.environment(cache_folder))
    ...     hub.files("lab/my-model")["config.json"]

The clients read their environment when they are imported, so what talks to it runs in a process of its own.
"""

from __future__ import annotations

from segbench.testing.loopback_hub import LoopbackHub
from segbench.testing.repositories import HubFile, HubRepository

__all__ = ["HubFile", "HubRepository", "LoopbackHub"]
