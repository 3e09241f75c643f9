"""The file of a model's means: what was written is read, and nothing else is taken for it."""

from dataclasses import replace

import numpy as np
import pytest

from cornerstone.models.means import Means, read_means, read_means_digest, write_means
from cornerstone.system.errors import CornerstoneError

MEANS = Means(
    sublayers=("Attn 0", "MoE 0"),
    sites=(("self_attn",), ("mlp", "experts")),
    vectors=(
        (np.arange(6, dtype=np.float32).reshape(2, 3),),
        (np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)),
    ),
    identity={"weights": "w", "dtype": "float32"},
    documents=("a" * 64,),
    tokens=12,
)


@pytest.fixture
def path(tmp_path):
    write_means(MEANS, tmp_path / "tiny.npz")
    return tmp_path / "tiny.npz"


def test_what_was_written_is_read(path):
    read = read_means(path)
    assert (read.sublayers, read.sites, read.documents, read.tokens) == (
        MEANS.sublayers,
        MEANS.sites,
        MEANS.documents,
        12,
    )
    for ours, theirs in zip(read.vectors, MEANS.vectors, strict=True):
        assert all(np.array_equal(a, b) and a.dtype == np.float32 for a, b in zip(ours, theirs, strict=True))
    assert read.digest == MEANS.digest == read_means_digest(path)


def test_the_digest_is_of_what_the_means_are_made_from_not_of_their_last_digits():
    rounded = replace(MEANS, vectors=tuple(tuple(v + 1e-7 for v in own) for own in MEANS.vectors))
    assert rounded.digest == MEANS.digest
    assert replace(MEANS, identity={**MEANS.identity, "dtype": "bfloat16"}).digest != MEANS.digest


@pytest.mark.parametrize("damage", ["cut off", "foreign", "altered", "gone"])
def test_a_file_that_is_none_is_refused_in_one_line(path, damage):
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "foreign":
        np.savez(path, other=np.ones(3))
    elif damage == "gone":
        path.unlink()
    else:
        with np.load(path) as archive:
            arrays = dict(archive)
        np.savez(path, **arrays | {"0.0": arrays["0.0"] + 1})
    with pytest.raises(
        CornerstoneError, match=r"make the means first|no file of means|was altered"
    ) as caught:
        read_means(path)
    assert "\n" not in str(caught.value)
