# SPDX-License-Identifier: Apache-2.0
"""Stratified selection of groups that stay together."""

from __future__ import annotations

from monai_kd.data.splits.groups import Group, count, strata


def take_stratified(groups: list[Group], target: int, spare: int) -> tuple[list[Group], list[Group]]:
    """
    Take groups with ``target`` images in total, the first ones, in proportion from each stratum.

    If no groups add up to ``target``, fewer images are taken. At least one group is taken, and at least ``spare``
    groups are left.

    Args:
        groups: more than ``spare`` groups, shuffled.

    Returns:
        The groups taken, and the others.

    Example:
        >>> groups = [[{"id": "1"}, {"id": "2"}], [{"id": "3"}], [{"id": "4"}]]
        >>> take_stratified(groups, target=1, spare=1)[0]
        [[{'id': '3'}]]
    """
    taken: list[Group] = []
    parts = strata(groups)
    for stratum, quota in zip(parts, _quotas([count(stratum) for stratum in parts], target), strict=True):
        taken += _fit(stratum, quota)
    taken += _fit(_without(groups, taken), target - count(taken))
    taken = (taken or [min(groups, key=len)])[: len(groups) - spare]
    return taken, _without(groups, taken)


def deal_stratified(groups: list[Group], number: int) -> list[list[Group]]:
    """
    Deal shuffled groups into ``number`` parts of equal size, each stratum evenly.

    With at least ``number`` groups, no part is empty.
    """
    parts: list[list[Group]] = [[] for _ in range(number)]
    for stratum in strata(groups):
        of_stratum = [0] * number
        for group in sorted(stratum, key=len, reverse=True):
            part = min(range(number), key=lambda i: (of_stratum[i], count(parts[i])))
            parts[part].append(group)
            of_stratum[part] += len(group)
    return parts


def _fit(groups: list[Group], room: int) -> list[Group]:
    taken = []
    for group in groups:
        if len(group) <= room:
            taken.append(group)
            room -= len(group)
    return taken


def _without(groups: list[Group], taken: list[Group]) -> list[Group]:
    ids = {group[0]["id"] for group in taken}
    return [group for group in groups if group[0]["id"] not in ids]


def _quotas(sizes: list[int], target: int) -> list[int]:
    """``target`` divided in proportion to ``sizes``, by the largest-remainder method."""
    exact = [target * size / sum(sizes) for size in sizes]
    quotas = [int(share) for share in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda i: quotas[i] - exact[i])
    for i in by_remainder[: target - sum(quotas)]:
        quotas[i] += 1
    return quotas
