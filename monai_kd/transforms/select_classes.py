# SPDX-License-Identifier: Apache-2.0
"""Labels of a few classes, from labels of many."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import Compose, MapTransform
from monai.transforms.traits import RandomizableTrait
from monai.utils import convert_to_dst_type, convert_to_tensor

__all__ = ["SelectClassesd", "before_random"]


class SelectClassesd(MapTransform):
    """
    Keep the named classes of a label, and join all others into the background; see
    :class:`monai_kd.networks.ClassSubset` for the teacher's answer.

    A label of one channel holds a class number at each pixel. Its new numbers are 1, 2, …, in the order of ``groups``;
    0 is the background. A label with a channel for each class keeps the channels of ``groups``; joined ones become
    their union.

    Args:
        keys: of the labels.
        groups: class numbers, one list for each class that is kept.
        channels: number of the label's classes before, with the background if there is one.
        background: whether the new first class is the background, which takes all that is not named. Defaults to True;
            set it to False for independent classes (multi-label).
        ignored: class numbers that stay as they are, because the loss ignores them.

    Raises:
        ValueError: At the call, when the label has another number of channels, or a value that is no class.

    Example:
        >>> label = {"label": torch.tensor([[[0, 1, 2, 3, 4]]])}
        >>> SelectClassesd("label", groups=[[3], [1, 2]], channels=5)(label)["label"].tolist()
        [[[0, 2, 2, 1, 0]]]
    """

    def __init__(
        self,
        keys: KeysCollection,
        groups: Sequence[Sequence[int]],
        channels: int,
        background: bool = True,
        ignored: Sequence[int] = (),
    ) -> None:
        super().__init__(keys)
        named = {number for group in groups for number in group}
        rest = [number for number in range(channels) if number not in named]
        self.groups = [rest, *map(list, groups)] if background else [list(group) for group in groups]
        self.channels, self.background, self.ignored = channels, background, tuple(ignored)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """
        Args:
            data: labels of shape CH[WD], with one channel or one for each class.
        """
        changed = dict(data)
        for key in self.key_iterator(changed):
            label = convert_to_tensor(changed[key])
            if label.shape[0] == self.channels > 1:
                new = torch.stack([label[group].amax(0) if group else label[0] * 0 for group in self.groups])
            else:
                new = self._numbers(label, key)
            changed[key] = convert_to_dst_type(new, changed[key])[0]
        return changed

    def _numbers(self, label: torch.Tensor, key: Hashable) -> torch.Tensor:
        if label.shape[0] != 1 or not self.background:
            one = "1 or " if self.background else ""
            raise ValueError(
                f"'{key}' has {label.shape[0]} channel(s), but {one}{self.channels} are needed to choose classes. "
                "Convert the label to the teacher's classes before."
            )
        numbers = label.long()
        kept = torch.zeros_like(numbers, dtype=torch.bool)
        for number in self.ignored:
            kept |= numbers == number
        wrong = (label != numbers) | ((numbers < 0) | (numbers >= self.channels)) & ~kept
        if wrong.any():
            some = sorted({round(float(value), 4) for value in label[wrong].flatten()[:1000]})[:4]
            raise ValueError(
                f"'{key}' has values such as {', '.join(f'{value:g}' for value in some)}, but its classes are the "
                f"numbers 0 to {self.channels - 1}. Convert the label to the teacher's classes before; --round-labels "
                "of distill rounds values between them."
            )
        table = torch.zeros(self.channels, dtype=torch.long, device=label.device)
        for new, group in enumerate(self.groups):
            table[group] = new
        return torch.where(kept, numbers, table[numbers.clamp(0, self.channels - 1)])


def before_random(transform: Callable[[Any], Any], steps: Sequence[Callable[[Any], Any]]) -> Compose:
    """
    A chain of transforms with further steps before its first random one.

    There a patch is not yet chosen by its label, and a CacheDataset still stores the result.

    Args:
        transform: the chain; its transforms are shared, not copied.
        steps: what to insert, in this order.

    Example:
        >>> from monai.transforms import RandFlipd, ScaleIntensityd
        >>> chain = Compose([ScaleIntensityd("image"), RandFlipd(["image", "label"])])
        >>> new = before_random(chain, [SelectClassesd("label", groups=[[2]], channels=3)])
        >>> [type(step).__name__ for step in new.transforms]
        ['ScaleIntensityd', 'SelectClassesd', 'RandFlipd']
    """
    chain: Compose = transform.flatten() if type(transform) is Compose else Compose([transform])  # type: ignore[no-untyped-call]
    every = chain.transforms
    place = next((n for n, step in enumerate(every) if isinstance(step, RandomizableTrait)), len(every))
    chain.transforms = (*every[:place], *steps, *every[place:])
    return chain
