"""Terms that keep a field from cheating: fog, floaters, grain, and surfaces that face away from the camera.

Each is a scalar near zero for a clean solid object; their weights are parameters of the application.
"""

import torch
from torch import Tensor

from scorekit_text_to_3d.render import Pictures


def sparsity(opacity: Tensor) -> Tensor:
    """Mean of sqrt(opacity^2 + .01) - .1: little matter in view (DreamFusion, arXiv:2209.14988, appendix A.2)."""
    return (opacity.square() + 0.01).sqrt().mean() - 0.1


def entropy(opacity: Tensor) -> Tensor:
    """Mean binary entropy of the opacity in bits: a pixel is either object or background, not fog."""
    p = opacity.clamp(1e-4, 1 - 1e-4)
    return -(p * p.log2() + (1 - p) * (1 - p).log2()).mean()


def orientation(pictures: Pictures) -> Tensor:
    """Weight on samples whose normal looks away from the camera (Ref-NeRF, arXiv:2112.03907, eq. 11), mean over rays.

    The weights are held constant, as in DreamFusion: the term turns surfaces around and does not thin them.
    Raises ValueError when the pictures were rendered without normals.
    """
    if pictures.facing is None:
        raise ValueError("orientation needs pictures rendered with normals=True")
    return (pictures.weights.detach() * pictures.facing.clamp(min=0).square()).sum(-1).mean()


def concentration(weights: Tensor) -> Tensor:
    """Spread of a ray's weights over its samples, mean over rays: 0 when each ray stops at one surface.

    The distortion of mip-NeRF 360 (arXiv:2111.12077, eq. 15) on unit intervals,
    sum_ij w_i w_j |s_i - s_j|, in linear time by cumulative sums.
    """
    count = weights.shape[-1]
    place = (torch.arange(count, device=weights.device, dtype=weights.dtype) + 0.5) / count
    before = weights.cumsum(-1) - weights
    moment = (weights * place).cumsum(-1) - weights * place
    pairs = 2 * (weights * (place * before - moment)).sum(-1)
    within = weights.square().sum(-1) / (3 * count)
    return (pairs + within).mean()
