"""gamma fitted on clips of the small model's domain: at every log-SNR the mixture of small model and priors that denoises them best.

At a level the estimates of the noise are mixed as sum_i lambda_i eps_i + (1 - sum_i lambda_i) eps_small: the form "mean", with
gamma_i = lambda_i / (1 - sum_i lambda_i). The squared error is a parabola in lambda, and its least place under lambda_i >= 0 is exact.
The form "contrast" is fitted by its own directions, eps_i(prompt) - eps_i(None), whose factors are gamma themselves. The weights of the
form "paper" do not sum to one: its sum is no estimate of the noise, and no denoising error says how strong a prior should be. It gets the
ratio of prior to small model that "mean" gets.

A fit says what denoises best, not what looks best, and asks for clips that neither model was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from scorekit.denoiser import Condition, Denoiser, Prompt
from scorekit.schedule import as_time
from scorekit_video_adapter.composition import Form, Prior, refuse_unlike
from scorekit_video_adapter.gamma import MOST, Curve

LOG_SNRS = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0)
MOST_SHARE = 0.98  # of the priors together: gamma 49
BATCH = 8


def fit(
    small: Denoiser,
    priors: Sequence[Prior],
    clips: Tensor,
    captions: Sequence[str],
    *,
    form: Form = "mean",
    log_snrs: Sequence[float] = LOG_SNRS,
    draws: int = 2,
    generator: torch.Generator | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[Curve]:
    """gamma of each prior as a curve over log-SNR; those that the priors have are not looked at.

    clips     (N, 3, T, H, W) in [0, 1]
    captions  N texts; a prior with a prompt of its own is told that
    draws     noises for each clip and level
    generator of that noise, on the device of the models
    report    called after every batch

    Raises ValueError where clips and captions do not belong together, and what models say of unknown words.
    """
    if len(clips) != len(captions) or not len(clips):
        raise ValueError(
            f"captions must be one for each of the {len(clips)} clips, and at least one, not {len(captions)}."
        )
    for prior in priors:
        refuse_unlike(small, prior.model)
    total, done = len(log_snrs) * draws * -(-len(clips) // BATCH), 0
    found: list[list[float]] = []
    for log_snr in log_snrs:
        # Normal equations of the least squares: the squares of the directions, and their products with what is left to explain.
        squares = torch.zeros(len(priors), len(priors), dtype=torch.float64)
        products = torch.zeros(len(priors), dtype=torch.float64)
        for x0, told in _batches(small, clips, captions, draws):
            rest, directions = _at(small, priors, x0, told, log_snr, form, generator)
            squares += directions @ directions.T
            products += directions @ rest
            done += 1
            report(done, total)
        found.append(_gammas(_non_negative(squares, products), form))
    return [Curve(tuple(float(v) for v in log_snrs), tuple(values)) for values in zip(*found, strict=True)]


def _batches(small: Denoiser, clips: Tensor, captions: Sequence[str], draws: int) -> Iterator[tuple[Tensor, list[str]]]:
    for _ in range(draws):
        for start in range(0, len(clips), BATCH):
            part = clips[start : start + BATCH].to(small.device)
            yield small.encode(part), list(captions[start : start + BATCH])


@torch.no_grad()
def _at(
    small: Denoiser,
    priors: Sequence[Prior],
    x0: Tensor,
    captions: list[str],
    log_snr: float,
    form: Form,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """What the small model's noise leaves to explain (n,), and the direction of every prior (P, n), in float64 on the CPU."""
    schedule = small.schedule
    t = float(schedule.at_log_snr(torch.tensor(log_snr, dtype=torch.float64)))
    eps = torch.randn(x0.shape, dtype=x0.dtype, device=x0.device, generator=generator)
    x = schedule.noised(x0, eps, as_time(t))

    def said(model: Denoiser, prompt: Prompt | Condition) -> Tensor:
        # A term of weight zero says whose schedule x and t are in.
        return (0.0 * small.given(None) + model.given(prompt))(x, t).eps

    own = said(small, captions)
    directions = []
    for prior in priors:
        told = said(prior.model, captions if prior.prompt is None else prior.prompt)
        directions.append(told - (said(prior.model, None) if form == "contrast" else own))
    flat = torch.stack(directions).flatten(1) if directions else x.new_zeros(0, x.numel())
    return (eps - own).flatten().to("cpu", torch.float64), flat.to("cpu", torch.float64)


def _non_negative(squares: Tensor, products: Tensor) -> Tensor:
    """The least of w^T A w - 2 b^T w over w >= 0: of the solutions on every set of positive w, the best one that is positive.

    A is small: as many rows as there are priors.
    """
    count = len(products)
    best, least = torch.zeros(count, dtype=torch.float64), 0.0
    ridge = 1e-9 * squares.diagonal().sum() * torch.eye(count, dtype=torch.float64)
    for chosen in range(1, 2**count):
        places = torch.tensor([index for index in range(count) if chosen >> index & 1])
        part = torch.linalg.lstsq((squares + ridge)[places][:, places], products[places, None]).solution[:, 0]
        if not (part >= 0).all():
            continue
        weights = torch.zeros(count, dtype=torch.float64)
        weights[places] = part
        value = float(weights @ squares @ weights - 2 * products @ weights)
        if value < least:
            best, least = weights, value
    return best


def _gammas(weights: Tensor, form: Form) -> list[float]:
    if form == "contrast":
        values: list[float] = weights.clamp(max=MOST).tolist()
        return values
    share = float(weights.sum())
    if share > MOST_SHARE:
        weights, share = weights * (MOST_SHARE / share), MOST_SHARE
    ratios: list[float] = (weights / (1 - share)).tolist()
    return ratios
