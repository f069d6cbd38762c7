"""How well masks agree with true parts."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 8  # pixels from which on a part counts


def mean_iou(labels: Tensor, truth: Tensor) -> float:
    """The mean, over the true parts of 8 pixels or more, of intersection over union.

    Masks have no names: each mask is given to the part that has most of its pixels, and the masks of a part are joined. So masks
    that are too fine cost nothing, as in the paper's comparison, and masks across a border do: compare at equal numbers of masks.
    """
    parts = [int(part) for part in torch.unique(truth) if int((truth == part).sum()) >= LEAST]
    owner = {}
    for label in torch.unique(labels).tolist():
        inside = truth[labels == label]
        owner[label] = max(torch.unique(truth).tolist(), key=lambda part: int((inside == part).sum()))
    ious = []
    for part in parts:
        mine = labels.new_zeros(labels.shape, dtype=bool)  # type: ignore[call-overload]
        for label, belongs in owner.items():
            if belongs == part:
                mine |= labels == label
        true = truth == part
        ious.append(float((mine & true).sum()) / float((mine | true).sum()))
    return sum(ious) / len(ious)
