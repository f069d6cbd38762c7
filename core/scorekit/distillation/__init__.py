"""Score distillation: move the output of a generator to where a score says it is likely.

Every method of the family is a target score less a baseline, weighted, and passed back through the generator alone:

    d loss / d x = w(t) (eps_target(x_t, t) - eps_baseline(x_t, t)),    x_t = alpha x + sigma eps

One function computes it, `distill(target, x, t, baseline=..., eps=..., weight=...)`; what a method's name stands for is what it is given.
With cond and null the scores under a prompt and under none, and cfg = null + s (cond - null):

    SDS   distill(cfg, x, t)                                  Poole et al. 2022, arXiv:2209.14988, eq. 3
    SJC   distill(cfg, x, t, weight=sjc)                      Wang et al. 2023, arXiv:2212.00774
    CSD   distill(cond, x, t, baseline=null)                  Yu et al. 2023, arXiv:2310.19415
    NFSD  distill(cfg, x, t, baseline=noise_free(negative))   Katzir et al. 2023, arXiv:2310.17590
    VSD   distill(cfg, x, t, baseline=critic.given(prompt))   Wang et al. 2023, arXiv:2305.16213; `Critic`, `LoraCritic`
    ISM   eps, before = interval_matching(null, x, t)                  Liang et al. 2023, arXiv:2311.11284
          distill(cfg, x, t, eps=eps, baseline=before)

The levels t come from `Timesteps`, the weights w(t) from `scorekit.distillation.weighting`. x is in the model's space: for a generator of
pictures it is `denoiser.encode(pictures)`, through which gradients flow, also where the model diffuses latents.
"""

from scorekit.distillation.baselines import interval_matching, noise_free
from scorekit.distillation.critic import Critic, LoraCritic
from scorekit.distillation.difference import distill
from scorekit.distillation.timesteps import Timesteps
from scorekit.distillation.weighting import Weighting, constant, min_snr, sigma_alpha, sigma_squared, sjc, toward_x0

__all__ = [
    "Critic",
    "LoraCritic",
    "Timesteps",
    "Weighting",
    "constant",
    "distill",
    "interval_matching",
    "min_snr",
    "noise_free",
    "sigma_alpha",
    "sigma_squared",
    "sjc",
    "toward_x0",
]
