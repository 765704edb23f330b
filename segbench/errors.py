"""The exception tree: every error a user can cause says what to do next.

SegbenchError                 exit code 1: a failed run or a finding
└── UsageError                exit code 2: wrong use or a missing prerequisite
    ├── UnknownNameError      a model, dataset, recipe, split ... that does not exist
    ├── RecipeError           a recipe that does not validate
    ├── NotPreparedError      the dataset has to be prepared first
    ├── DataError             an archive, image or label that is not what it should be
    │   ├── CorruptImageError an image that cannot be decoded
    │   └── DownloadError     no mirror delivered the file
    ├── CheckpointError       weights that are missing, damaged or for something else
    ├── HubError              the Hugging Face Hub cannot be used as asked: offline, no token, not allowed
    └── RecordError           a record that is damaged or contradicts another
NonFiniteLossError(SegbenchError)   training diverged
ProcessLostError(SegbenchError)     a process of a run was killed; the same command goes on
PushError(SegbenchError)            the Hub failed in the middle of a push; the same command goes on
"""

from __future__ import annotations

__all__ = [
    "CheckpointError",
    "CorruptImageError",
    "DataError",
    "DownloadError",
    "HubError",
    "NonFiniteLossError",
    "NotPreparedError",
    "ProcessLostError",
    "PushError",
    "RecipeError",
    "RecordError",
    "SegbenchError",
    "UnknownNameError",
    "UsageError",
]


class SegbenchError(Exception):
    """A run failed; the message is one line for the person at the terminal.

    Args:
        message: What happened, where, with which value, and what is allowed.
        hint: The next step, best a command that can be pasted.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message} {hint}")
        self.message = message
        self.hint = hint


class UsageError(SegbenchError):
    """Wrong use or a missing prerequisite."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not registered; the message lists the closest ones."""


class RecipeError(UsageError):
    """A recipe that does not parse or validate; names the file and the key."""


class NotPreparedError(UsageError):
    """A dataset that has to be prepared first; the hint is the command."""


class DataError(UsageError):
    """An archive, image or label that is not what it should be."""


class CorruptImageError(DataError):
    """An image or label file whose bytes cannot be decoded; ``--skip-corrupt`` leaves such samples out."""


class DownloadError(DataError):
    """No mirror delivered the file; the hint explains ``--from``."""


class CheckpointError(UsageError):
    """Weights that are missing, damaged or made for something else."""


class HubError(UsageError):
    """The Hugging Face Hub cannot be used as asked: offline, no token, not allowed, not found. Never holds a token."""


class RecordError(UsageError):
    """A run record that is damaged or contradicts another of the same id."""


class NonFiniteLossError(SegbenchError):
    """The training loss became NaN or infinite."""


class ProcessLostError(SegbenchError):
    """One of the processes that compute a run together was killed; the run is not to blame and can be continued."""


class PushError(SegbenchError):
    """The Hub failed in the middle of a push; what was uploaded is kept, and the same command goes on."""
