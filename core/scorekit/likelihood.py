"""Log-likelihoods, by the probability-flow ODE and the divergence of its slope (Song et al. 2021, arXiv:2011.13456, section 4.3).

The ODE is solved in the angle phi = atan(sigma / alpha), for z = x / sqrt(alpha^2 + sigma^2) = cos(phi) x0 + sin(phi) eps:

    dz / dphi = cos(phi) eps - sin(phi) x0

which is the v of a variance-preserving model, finite at both ends of every schedule. From data up to the noisiest level, whose z is taken
as standard normal, as samplers do:

    ln p(x0) = ln N(z_T; 0, I) + integral of tr(d slope / dz) dphi
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorekit.loop import Watch
from scorekit.noise import Generators, Noise
from scorekit.score import Score, Stop


def log_likelihood(
    score: Score,
    x0: Tensor,
    *,
    steps: int = 50,
    probes: int = 0,
    sigma_min: float = 0.002,
    generator: Generators = None,
) -> Tensor:
    """ln p(x0) in nats, (B,), of data x0 (B, ...) in the model's space, under the probability-flow ODE of a score.

    steps      of the classical Runge-Kutta method: four evaluations each
    probes     of Hutchinson's estimate of the trace, with random signs: unbiased, one backward pass each. 0 is the exact trace, one
               backward pass for every dimension
    sigma_min  x0 is taken as data with noise of this standard deviation: at zero noise networks are not defined, and densities of
               data on a manifold infinite
    generator  for the probes

    In bits per dimension it is -ln p / (D ln 2). No gradients are recorded.
    Raises ValueError for numbers out of range and an x0 that does not fit the model; FloatingPointError where x stops being finite,
    with the step.
    """
    if steps < 1 or probes < 0:
        raise ValueError(f"steps must be at least 1 and probes at least 0, not {steps} and {probes}.")
    if tuple(x0.shape[1:]) != score.shape:
        raise ValueError(f"x0 must have the shape (B, {', '.join(map(str, score.shape))}), not {tuple(x0.shape)}.")
    schedule = score.schedule
    top = math.atan2(float(schedule.sigma(1.0)), float(schedule.alpha(1.0)))
    low = math.atan(sigma_min)
    if not 0 < low < top:
        raise ValueError(f"sigma_min must lie between 0 and {math.tan(top):.6g}, not {sigma_min}.")
    phi = torch.linspace(low, top, 2 * steps + 1, dtype=torch.float64)  # the ends and middles of the steps
    t = schedule.at_log_snr(-2 * phi.tan().log())
    t[-1] = 1.0
    stops = score.along(t)
    norms = torch.hypot(schedule.alpha(t), schedule.sigma(t)).tolist()
    z = x0.detach().to(score.device)
    noise = Noise(z.shape, generator, z.device, z.dtype)
    signs = [noise.signs() for _ in range(probes)]
    volume = torch.zeros(len(z), dtype=z.dtype, device=z.device)
    h = (top - low) / steps
    watch = Watch(t[2::2], "log_likelihood()", z.device)
    for index in range(steps):
        at = [(stops[2 * index + k], norms[2 * index + k]) for k in (0, 1, 2)]
        k1, d1 = _slope(score, z, *at[0], signs)
        k2, d2 = _slope(score, z + h / 2 * k1, *at[1], signs)
        k3, d3 = _slope(score, z + h / 2 * k2, *at[1], signs)
        k4, d4 = _slope(score, z + h * k3, *at[2], signs)
        z = z + h / 6 * (k1 + 2 * (k2 + k3) + k4)
        volume = volume + h / 6 * (d1 + 2 * (d2 + d3) + d4)
        watch.see(index, z.flatten(1).sum(1) + volume)
    watch.settle(z.flatten(1).sum(1) + volume)
    flat = z.flatten(1)
    prior = -(flat.square().sum(1) + flat.shape[1] * math.log(2 * math.pi)) / 2
    return prior + volume


def _slope(score: Score, z: Tensor, stop: Stop, norm: float, signs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """dz / dphi (B, ...) and its divergence (B,)."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        v = score.at(z * norm, stop).v / norm
        divergence = torch.zeros(len(z), dtype=z.dtype, device=z.device)
        count = len(signs) or z[0].numel()
        for index in range(count):
            if signs:
                probe = signs[index]
            else:
                probe = torch.zeros(z.shape, dtype=z.dtype, device=z.device)
                probe.flatten(1)[:, index] = 1
            (product,) = torch.autograd.grad(v, z, probe, retain_graph=index + 1 < count)
            divergence += (product * probe).flatten(1).sum(1)
    return v.detach(), divergence / len(signs) if signs else divergence
