# SPDX-License-Identifier: Apache-2.0
"""Search for pairs of images that show the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from monai_kd.data.duplicates.alignment import aligned_correlation, correlation
from monai_kd.data.duplicates.thumbnails import SIDE, Thumbnail

Values = npt.NDArray[Any]

# Chosen on BrEaST and BUS-BRA, originals and mirror images. Among 424 403 pairs of different patients, the smallest
# difference is 17 bits and the largest aligned correlation is 0.874. Copies cropped by 5 % differ in up to 30 bits and
# have a correlation of at least 0.959; burned-in text changes up to 8 bits.
CANDIDATE_BITS = 30
SURE_BITS = 8
ALIGNED = 0.93
OVERALL = 0.7
CONTRAST = 8.0  # standard deviation of gray values (0 to 255) below which a picture has nothing to recognize
ROWS = 256  # pictures compared with all others at once
PAIRS = 512  # pairs aligned at once


class Pair(NamedTuple):
    """Two images, by their indices, and their similarity (1 for identical ones)."""

    first: int
    second: int
    likeness: float


def near_duplicates(thumbnails: Sequence[Thumbnail], group: Sequence[int]) -> list[Pair]:
    """
    Find pairs of images that show the same picture: re-encoded, resized, brightened or slightly cropped.

    Candidates differ in at most 30 of 128 bits of their difference hash. A bit says whether one of 9 × 9 squares is
    brighter than its neighbor, in both directions. Candidates are accepted in two cases: when their details have a
    correlation of at least 0.93 after alignment; or when at most 8 bits differ and the unaligned pictures have a
    correlation of at least 0.7, which tolerates burned-in text.

    Args:
        thumbnails: from ``thumbnails.thumbnail``, one for each image.
        group: a number for each image; images of one group are not compared.

    Returns:
        Pairs of different groups, fewer than there are images; a chain of pairs connects all near duplicates of one
        picture.

    Example:
        >>> first, second = np.random.default_rng(0).integers(0, 256, (2, 32, 32), dtype=np.uint8)
        >>> [(pair.first, pair.second) for pair in near_duplicates([first, second, first // 2], [0, 1, 2])]
        [(0, 2)]
    """
    pictures = np.asarray(thumbnails, dtype=np.uint8).reshape(-1, SIDE, SIDE)
    usable = np.flatnonzero(pictures.std(axis=(1, 2)) >= CONTRAST)
    pictures, groups = pictures[usable], np.asarray(group)[usable]
    signs = _difference_hash(pictures)
    forest = np.empty((0, 3))
    for start in range(0, len(usable), ROWS):
        first, second = _candidates(signs, groups, start)
        while len(first):
            found = _confirmed(pictures, signs, first[:PAIRS], second[:PAIRS])
            forest, cluster = _spanning_forest(np.concatenate([forest, found]), len(usable))
            # Skip pairs that are already connected: with many copies of one picture, these are almost all.
            apart = cluster[first[PAIRS:]] != cluster[second[PAIRS:]]
            first, second = first[PAIRS:][apart], second[PAIRS:][apart]
    order = forest[np.lexsort((forest[:, 1], forest[:, 0]))]
    return [Pair(int(usable[int(i)]), int(usable[int(j)]), float(likeness)) for i, j, likeness in order]


def _difference_hash(pictures: Values) -> Values:
    """128 signs for each picture, ±1 in float32, so that their product counts the equal ones."""
    identity = Image.fromarray(np.eye(SIDE, dtype=np.float32))
    resampling = np.asarray(identity.resize((SIDE, 9), Image.Resampling.BOX))
    squares = np.einsum("yi,pij,xj->pyx", resampling, pictures.astype(np.float32), resampling, optimize=True)
    along = squares[:, 1:, :-1] > squares[:, :-1, :-1]
    across = squares[:, :-1, 1:] > squares[:, :-1, :-1]
    bits = np.concatenate([along.reshape(-1, 64), across.reshape(-1, 64)], axis=1)
    return np.where(bits, np.float32(1), np.float32(-1))


def _candidates(signs: Values, groups: Values, start: int) -> tuple[Values, Values]:
    """Pairs of one of ``ROWS`` pictures from ``start`` on, and a later picture of another group."""
    rows = signs[start : start + ROWS]
    near = rows @ signs[start:].T >= signs.shape[1] - 2 * CANDIDATE_BITS
    near &= groups[start : start + ROWS, None] != groups[None, start:]
    first, second = np.nonzero(np.triu(near, 1))
    return first + start, second + start


def _confirmed(pictures: Values, signs: Values, first: Values, second: Values) -> Values:
    """The accepted pairs, as rows of first, second and similarity."""
    likeness = aligned_correlation(pictures[first], pictures[second])
    overall = correlation(pictures[first], pictures[second])
    bits = (signs.shape[1] - np.einsum("pk,pk->p", signs[first], signs[second])) / 2
    taken = (likeness >= ALIGNED) | ((bits <= SURE_BITS) & (overall >= OVERALL))
    return np.stack([first, second, np.maximum(likeness, overall)], axis=1)[taken]


def _spanning_forest(pairs: Values, count: int) -> tuple[Values, Values]:
    """The most similar pairs without those that close a cycle, so fewer than ``count``; and each picture's cluster."""
    first, second, likeness = pairs.T
    graph = coo_matrix((3 - likeness, (first.astype(np.intp), second.astype(np.intp))), shape=(count, count))
    tree = minimum_spanning_tree(graph.tocsr()).tocoo()
    _, cluster = connected_components(tree, directed=False)
    return np.stack([tree.row, tree.col, 3 - tree.data], axis=1), cluster
