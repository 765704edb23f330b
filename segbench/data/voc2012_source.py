"""The samples of VOC2012 from the archives of VOC, of SBD and of those who redistribute both, in any mix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from segbench.data.download import Remote, fetch
from segbench.data.sample import LateSample, SourceArchive, SourceOptions
from segbench.data.stored_order import Place, Reader, reading
from segbench.data.trees import NamedTree, open_trees
from segbench.data.voc2012 import listed
from segbench.data.voc2012_labels import labelled_sample, unlabelled_sample
from segbench.data.voc2012_missing import incomplete, is_complete
from segbench.data.voc2012_places import Pair, Places, the_content
from segbench.errors import DownloadError, UsageError
from segbench.specs import SPLITS, VariantSpec

__all__ = ["AUGMENTED", "BOUNDARIES", "TRAINVAL", "VocSource", "source"]

TRAINVAL = Remote(
    file_name="VOCtrainval_11-May-2012.tar",
    # The original host has been unreachable since late 2025 and comes last.
    urls=(
        "https://d2l-data.s3-accelerate.amazonaws.com/VOCtrainval_11-May-2012.tar",
        "http://thor.robots.ox.ac.uk/datasets/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "https://pjreddie.com/media/files/VOCtrainval_11-May-2012.tar",
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    ),
    size=1_999_639_040,
    sha256="e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
    md5="6cd6e144f989b92b3379bac3b3de84fd",
)
AUGMENTED = Remote(
    file_name="SegmentationClassAug.zip",
    urls=(
        "https://www.dropbox.com/s/oeu149j8qtbs1x0/SegmentationClassAug.zip?dl=1",
        "http://vllab1.ucmerced.edu/~whung/adv-semi-seg/SegmentationClassAug.zip",
    ),
    size=33_666_054,
    # No host publishes a checksum; this is of the copy whose 12,031 label maps segbench was checked with.
    sha256="7c5c969b0cf6b762962e1606975620e531d2cd5afcc7dad9bcec2bb05339196c",
)
BOUNDARIES = Remote(
    file_name="benchmark.tgz",
    urls=(
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
        "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
    ),
    md5="82b4d87ceb2ed10f6038a1cba92111cb",
)


@contextmanager
def source(variant: VariantSpec, options: SourceOptions) -> Iterator[VocSource]:
    """Opens the samples of ``variant``; downloads what is public where the user gave nothing.

    ``VOC2012test.tar`` is handed out to registered users only: the test split is there when the user gives it.

    Raises:
        UsageError: A size was asked for; photographs have their own.
        DataError: Photographs or label maps are missing.
        DownloadError: No mirror delivered a file.
    """
    if options.size is not None:
        raise UsageError(
            f"voc2012 cannot be made at {'x'.join(map(str, options.size))}: its photographs have sizes of their own, "
            "and a recipe's input_size resizes inputs."
        )
    with ExitStack() as stack:
        trees = stack.enter_context(open_trees(options, _remotes(variant, options)))
        yield VocSource(trees, variant, options, stack)


def _remotes(variant: VariantSpec, options: SourceOptions) -> list[Remote]:
    if options.sources or variant.name != "trainaug":
        return [TRAINVAL]
    try:
        fetch(AUGMENTED, progress=options.progress)
    except DownloadError as error:
        options.progress.message(f"{error.message} Taking {BOUNDARIES.file_name} of SBD in its place.")
        return [TRAINVAL, BOUNDARIES]
    return [TRAINVAL, AUGMENTED]


class VocSource:
    """The samples of VOC2012.

    Args:
        trees: Where the files are, in whatever folders.
        variant: ``train`` or ``trainaug``.
        options: ``partial`` takes what is there; ``progress`` is told what was left out.
        stack: Closes what is opened here.
    """

    def __init__(
        self, trees: Sequence[NamedTree], variant: VariantSpec, options: SourceOptions, stack: ExitStack
    ) -> None:
        pairs = _find_pairs(Places(trees), variant)
        self._pairs = {split: [pair for pair in group if is_complete(split, pair)] for split, group in pairs.items()}
        self.partial = any(len(self._pairs[split]) < len(group) for split, group in pairs.items())
        if self.partial:
            missing = incomplete(trees, variant, pairs)
            if not options.partial:
                raise missing
            options.progress.message(f"{missing.message} They are left out.")
        self._used = {place.tree for place in _places(self._pairs)}
        self._reader: Reader = stack.enter_context(reading(_places(self._pairs)))

    @property
    def counts(self) -> Mapping[str, int]:
        """Samples by split."""
        return {split: len(pairs) for split, pairs in self._pairs.items()}

    @property
    def archives(self) -> tuple[SourceArchive, ...]:
        """The folders and archives that something was read from, each with the digest of that, by name."""
        used = [tree.source_archive() for tree in self._used]
        return tuple(sorted(used, key=lambda archive: (archive.name, archive.digest or "")))

    def samples(self, split: str) -> Iterator[LateSample]:
        """Yields the split in the order of its list; label maps are decoded when they are looked at.

        Raises:
            DataError: A file is damaged.
        """
        for pair in self._pairs[split]:
            image = the_content(pair.image, self._reader.read)
            if split == "test":
                yield LateSample(pair.id, unlabelled_sample, pair.id, image)
            else:
                label = the_content(pair.label, self._reader.read)
                yield LateSample(pair.id, labelled_sample, pair.id, image, label, pair.label[0].name)


def _find_pairs(places: Places, variant: VariantSpec) -> dict[str, list[Pair]]:
    pairs = {split: [places.pair(sample_id, split) for sample_id in listed(variant.name, split)] for split in SPLITS}
    if not any(pair.image for pair in pairs["test"]):
        del pairs["test"]  # nobody is obliged to have it
    return pairs


def _places(pairs: Mapping[str, Sequence[Pair]]) -> Iterator[Place]:
    """All that will be read, in that order."""
    for split in SPLITS:
        for pair in pairs.get(split, ()):
            yield from pair.image
            yield from pair.label
