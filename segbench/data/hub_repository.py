"""A dataset repository of the Hugging Face Hub: which parquet files a configuration has, and their bytes, checked.

No code of a repository is ever run: what is read are its card and its parquet files, at one commit. Messages name the
repository and never an answer of the server, an address with its password or a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from segbench.data.members import shown
from segbench.data.remote import shown_address
from segbench.errors import DataError, UsageError
from segbench.file_sha256 import file_sha256
from segbench.progress import SILENT, Progress

__all__ = ["PREFIX", "HubRepository", "is_hub", "parse_address"]

PREFIX = "hf:"
_PART = r"[A-Za-z0-9][\w.-]{0,95}"
_ADDRESS = re.compile(rf"hf:(?P<name>{_PART}/{_PART})(?:@(?P<revision>[\w./-]{{1,200}}))?", flags=re.ASCII)


def is_hub(source: Path | str) -> bool:
    """Whether a source of ``--from`` names a Hub repository."""
    return isinstance(source, str) and source.startswith(PREFIX)


def parse_address(source: str) -> tuple[str, str | None]:
    """Repository and revision of ``hf:ORG/NAME[@REVISION]``.

    Raises:
        UsageError: The text is something else.
    """
    found = _ADDRESS.fullmatch(source)
    if found is None:
        # What was written may hold a password or a token; it is not repeated.
        raise UsageError("A source that begins with hf: is hf:ORG/NAME or hf:ORG/NAME@REVISION, and this one is not.")
    return found["name"], found["revision"]


@dataclass(frozen=True)
class HubRepository:
    """A dataset repository at one commit.

    Attributes:
        name: ``ORG/NAME``.
        commit: Its full sha.
        address: Where people find it.
    """

    name: str
    commit: str
    address: str

    @classmethod
    def at(cls, name: str, revision: str | None) -> HubRepository:
        """Asks the Hub which commit is meant.

        Raises:
            DataError: The repository or revision does not exist or may not be read, or the Hub cannot be reached.
        """
        from huggingface_hub import HfApi, constants

        with _explained(name, revision):
            commit = HfApi().dataset_info(name, revision=revision).sha
        if not commit:
            raise DataError(f"hf:{name} has no commit.")
        return cls(name, commit, shown_address(f"{constants.ENDPOINT}/datasets/{name}"))

    def parquet_files(self, configuration: str) -> dict[str, list[str]]:
        """Paths of the parquet files of each split.

        Raises:
            DataError: There is no such configuration, or its files are no parquet.
        """
        import datasets

        with _explained(self.name, self.commit):
            try:
                builder = datasets.load_dataset_builder(self.name, configuration, revision=self.commit)
            except _of_the_network():
                raise
            except Exception as error:  # a card and files from anywhere make it raise almost anything
                raise self._without(configuration) from error
        files = {str(split): [self._path(f"{file}") for file in group] for split, group in _data_files(builder)}
        if not files or not all(path.endswith(".parquet") for group in files.values() for path in group):
            raise DataError(f"hf:{self.name} {configuration} is not made of parquet files.")
        return files

    def _without(self, configuration: str) -> DataError:
        import datasets

        try:
            known = datasets.get_dataset_config_names(self.name, revision=self.commit)
        except _of_the_network():
            raise
        except Exception:
            return DataError(f"hf:{self.name} holds no dataset that can be read without running code.")
        names = ", ".join(shown(f"{name}") for name in known) or "none"
        return DataError(f"hf:{self.name} has no configuration '{configuration}', only {names}.")

    def _path(self, file: str) -> str:
        prefix = f"hf://datasets/{self.name}@{self.commit}/"
        if not file.startswith(prefix):
            raise DataError(f"hf:{self.name} names files outside itself.")
        return file.removeprefix(prefix)

    def fetch(self, paths: list[str], progress: Progress = SILENT) -> list[Path]:
        """Local copies in the cache of huggingface_hub, checked against the sha256 that the repository states.

        Raises:
            DataError: A file cannot be had, or is damaged.
        """
        from huggingface_hub import hf_hub_download

        stated = self._stated(paths)
        fetched = []
        with progress.task(f"fetch hf:{self.name}", len(paths), "files") as bar:
            for path in paths:
                with _explained(self.name, self.commit):
                    local = Path(hf_hub_download(self.name, path, repo_type="dataset", revision=self.commit))
                self._check(local, path, stated.get(path))
                fetched.append(local)
                bar.advance()
        return fetched

    def _stated(self, paths: list[str]) -> Mapping[str, str]:
        from huggingface_hub import HfApi, RepoFile

        with _explained(self.name, self.commit):
            found = HfApi().get_paths_info(self.name, paths, revision=self.commit, repo_type="dataset")
        return {entry.path: entry.lfs.sha256 for entry in found if isinstance(entry, RepoFile) and entry.lfs}

    def _check(self, local: Path, path: str, sha256: str | None) -> None:
        if sha256 is None:
            return
        found = file_sha256(local)
        if found != sha256:
            raise DataError(
                f"{shown(path)} of hf:{self.name} is damaged: sha256 {found[:12]}..., stated {sha256[:12]}....",
                "Delete its copy (hf cache rm) and try again.",
            )


def _data_files(builder: object) -> list[tuple[object, list[object]]]:
    files = getattr(getattr(builder, "config", None), "data_files", None)
    return [(split, list(group)) for split, group in files.items()] if files else []


@contextmanager
def _explained(name: str, revision: str | None) -> Iterator[None]:
    """Turns what the Hub's client raises into one line."""
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise DataError(
            f"hf:{name} cannot be reached: HF_HUB_OFFLINE is set.", "Unset it, or use 'segbench bundle'."
        ) from error
    except errors.GatedRepoError as error:
        raise DataError(f"hf:{name} is gated: its terms have to be accepted on the Hub first.", LOG_IN) from error
    except errors.RevisionNotFoundError as error:
        raise DataError(f"hf:{name} has no revision '{revision}'.") from error
    except errors.RepositoryNotFoundError as error:
        raise DataError(
            f"hf:{name} is no dataset repository that can be read; private ones need a token.", LOG_IN
        ) from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "an error")
        raise DataError(f"hf:{name} cannot be read: the Hub answered {status}.", LATER) from error
    except _of_the_network() as error:
        raise DataError(f"hf:{name} cannot be reached ({type(error).__name__}).", LATER) from error


def _of_the_network() -> tuple[type[BaseException], ...]:
    from huggingface_hub import errors

    # The root of the client's own errors: which HTTP library stands behind it depends on its version.
    root = errors.HfHubHTTPError.__mro__[1]
    return root, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, ConnectionError, TimeoutError


LOG_IN = "Check the name, and log in with 'hf auth login' or set HF_TOKEN."
LATER = "Try again later; without a network, use 'segbench bundle'."
