"""Labels of a first picture carried through a video, frame by frame (the protocol of DINO, Caron et al. 2021, that DIFT takes over)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from scorekit_dift.descriptors import Descriptors

MOST_LABELS = 32


def propagate(
    frames: Iterable[Descriptors],
    first: Tensor,
    *,
    neighbours: int = 10,
    context: int = 4,
    radius: float = 0.2,
    temperature: float = 0.1,
) -> Iterator[Tensor]:
    """The labels (H, W) int64 of every frame, the first one's included.

    frames       descriptors of the frames, all of one size
    first        (H, W) int64 labels of the first frame, 0 for what is left over, fewer than 32
    neighbours   cells of earlier frames that vote, the most similar ones
    context      frames before this one that may vote, beside the first
    radius       how far a voting cell may lie, as a share of the frame's longer side
    temperature  of the softmax over the votes

    Raises ValueError for labels of another size than the frames and for too many labels.
    """
    if neighbours < 1 or context < 0 or radius <= 0 or temperature <= 0:
        raise ValueError("neighbours must be at least 1, context at least 0, radius and temperature above 0.")
    count = int(first.max()) + 1
    if first.min() < 0 or count > MOST_LABELS:
        raise ValueError(f"labels must be numbers from 0 to {MOST_LABELS - 1}; got {int(first.min())} to {count - 1}.")
    seen: deque[tuple[Tensor, Tensor]] = deque(maxlen=context)
    start: tuple[Tensor, Tensor] | None = None
    for frame in frames:
        if tuple(first.shape) != frame.size:
            raise ValueError(f"labels are {tuple(first.shape)} pixels and the frames {frame.size}: they must agree.")
        vectors = frame.vectors()
        shape = (int(frame.values.shape[1]), int(frame.values.shape[2]))
        if start is None:
            hot = F.one_hot(first, count).permute(2, 0, 1)[None].float().to(vectors)
            votes = F.interpolate(hot, shape, mode="area")[0].flatten(1).T
            start = vectors, votes
            yield first
            continue
        votes = _voted(vectors, [start, *seen], shape, neighbours, radius, temperature)
        seen.append((vectors, votes))
        maps = F.interpolate(votes.T.view(1, count, *shape), frame.size, mode="bilinear", align_corners=False)
        yield maps[0].argmax(0).cpu()


def _voted(
    vectors: Tensor,
    earlier: list[tuple[Tensor, Tensor]],
    shape: tuple[int, int],
    neighbours: int,
    radius: float,
    temperature: float,
) -> Tensor:
    h, w = shape
    reach = max(1.0, radius * max(h, w))
    place = torch.arange(h * w, device=vectors.device)
    row, column = place // w, place % w
    keys = torch.cat([known for known, _ in earlier])
    values = torch.cat([votes for _, votes in earlier])
    rows, columns = row.repeat(len(earlier)), column.repeat(len(earlier))
    found = []
    step = max(1, (1 << 24) // len(keys))
    for begin in range(0, h * w, step):
        part = slice(begin, begin + step)
        far = (row[part, None] - rows).square() + (column[part, None] - columns).square() > reach**2
        similarity = (vectors[part] @ keys.T).masked_fill(far, -torch.inf)
        best, index = similarity.topk(min(neighbours, similarity.shape[1]), 1)
        weight = F.softmax(best / temperature, 1)
        found.append((weight[..., None] * values[index]).sum(1))
    return torch.cat(found)


def labels_of(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Labels (H, W) of a picture (3, H, W) in [0, 1] whose areas have one colour each, and the colours (K, 3).

    The colour of most pixels is label 0. Raises ValueError for more than 32 colours.
    """
    colours, index, counts = torch.unique(
        (picture * 255).round().byte().flatten(1).T, dim=0, return_inverse=True, return_counts=True
    )
    if len(colours) > MOST_LABELS:
        raise ValueError(
            f"labels must be painted in at most {MOST_LABELS} colours without soft edges; there are {len(colours)}."
        )
    order = counts.argsort(descending=True)
    return order.argsort()[index].view(picture.shape[1:]), colours[order].float() / 255
