"""The critic of Variational Score Distillation: a score that learns what the generator makes at present.

VSD (ProlificDreamer, Wang et al. 2023, arXiv:2305.16213) leaves the score of the generator's own pictures, instead of the noise
that was drawn: where they are distributed as the target is, the two agree and nothing moves, so the pictures keep their spread.

    critic = LoraCritic(denoiser, rank=4)
    optimiser = torch.optim.AdamW(critic.parameters(), lr=1e-4)
    ...
    distill(cfg, x, t, baseline=critic.given(prompt)).backward()      # to the generator
    critic.loss(x, levels.draw(p, len(x)), prompt).backward()         # to the critic; its x has no graph
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from scorekit.denoiser import Condition, Denoiser, Prompt
from scorekit.distillation.lora import adapted
from scorekit.prediction import target
from scorekit.schedule import as_time, spread
from scorekit.score import Score
from scorekit.terms import Given


class Critic:
    """A denoiser in training. `denoiser` may be any whose network is an nn.Module with parameters that require a gradient.

    Raises ValueError where there is nothing to train.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        network = _module(denoiser, "Critic")
        self.denoiser = denoiser
        self._learned = {name: p for name, p in network.named_parameters() if p.requires_grad}
        if not self._learned:
            raise ValueError(f"Critic has nothing to learn: no parameter of {denoiser.name} requires a gradient.")

    def given(self, condition: Prompt | Condition = None) -> Score:
        """The critic's score under a condition, as `Denoiser.given`."""
        return self.denoiser.given(condition)

    def loss(
        self,
        x: Tensor,
        t: float | Tensor,
        condition: Prompt | Condition = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The denoising loss at x: mean squared error of what the network is asked for.

        x          (B, ...) what the generator makes, in the model's space; its graph is not followed
        t          noise levels in (0, 1], a number or (B,)
        generator  of the noise, on the device of x
        """
        x, schedule, t = x.detach(), self.denoiser.schedule, as_time(t)
        eps = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        alpha, sigma = spread(schedule.alpha(t), x), spread(schedule.sigma(t), x)
        kind = self.denoiser.prediction
        said = self.given(condition)(alpha * x + sigma * eps, t).read(kind)
        return (said - target(kind, x, eps, alpha, sigma)).square().mean()

    def parameters(self) -> list[nn.Parameter]:
        """What an optimiser should move."""
        return list(self._learned.values())

    def state_dict(self) -> dict[str, Tensor]:
        """What was learned, for a checkpoint."""
        return {name: p.detach().clone() for name, p in self._learned.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` gave. Raises ValueError where it is of another critic."""
        shapes = {name: tuple(p.shape) for name, p in self._learned.items()}
        if shapes != {name: tuple(value.shape) for name, value in state.items()}:
            raise ValueError("state must be the state_dict of a critic of the same network, rank, layers and camera.")
        with torch.no_grad():
            for name, parameter in self._learned.items():
                parameter.copy_(state[name])


class LoraCritic(Critic):
    """The teacher itself, with low-rank changes to its linear layers that only the critic sees.

    denoiser   the teacher; its network is an nn.Module. It is left as it is: bit for bit the same before, between and after.
    rank       of the changes
    camera     how many numbers describe, for each sample, from where it was taken (a flattened 4 x 4 pose is 16). They are embedded
               and added to the text states, so that one critic knows many views; 0 for none.
    layers, scale, generator  see `scorekit.distillation.lora.adapted`

    It starts as the teacher, exactly. Raises ValueError where the network has no such layers or takes no text for the camera to join.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        rank: int = 4,
        *,
        camera: int = 0,
        layers: str = "",
        scale: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        if camera < 0:
            raise ValueError(f"camera must be 0 or how many numbers describe a camera, not {camera}.")
        network = adapted(_module(denoiser, "LoraCritic"), rank, layers=layers, scale=scale, generator=generator)
        if camera:
            text = _condition(denoiser, None).fields.get("text")
            if text is None:
                raise ValueError(f"camera must be 0 for {denoiser.name}: its network takes no text for it to join.")
            network = _Posed(network, camera, text.shape[-1], generator).to(denoiser.device)
        self.camera = camera
        student = copy.copy(denoiser)
        student.network, student.name = network, f"the critic of {denoiser.name}"
        super().__init__(student)

    def posed(self, condition: Prompt | Condition, camera: Tensor) -> Condition:
        """A condition seen from cameras, for `given` and `loss`. Without it the critic takes no view into account.

        camera  (B, camera), numbers of the order of 1

        Raises ValueError where it has another shape.
        """
        if not self.camera:
            raise ValueError("camera: this LoraCritic was made without; give it camera=, the count of numbers.")
        if camera.ndim != 2 or camera.shape[1] != self.camera:
            raise ValueError(f"camera must have the shape (B, {self.camera}), not {tuple(camera.shape)}.")
        said = _condition(self.denoiser, condition)
        return Condition({**said.fields, "camera": camera}, label=f"{said.label} with cameras")


class _Posed(nn.Module):
    """A network of text whose text states (B, L, width) are shifted by an embedding of `camera` (B, numbers), at first by nothing."""

    def __init__(self, network: nn.Module, numbers: int, width: int, generator: torch.Generator | None) -> None:
        super().__init__()
        self.network = network
        self.camera_in = nn.Parameter(torch.randn(width, numbers, generator=generator) / numbers**0.5)
        self.camera_out = nn.Parameter(torch.zeros(width, width))

    def forward(
        self, x: Tensor, timestep: Tensor, text: Tensor, camera: Tensor | None = None, **fields: Tensor
    ) -> Tensor:
        if camera is not None:
            hidden = nn.functional.silu(camera.to(self.camera_in) @ self.camera_in.T)
            text = text + (hidden @ self.camera_out.T).to(text.dtype)[:, None]
        output: Tensor = self.network(x, timestep, text=text, **fields)
        return output


def _module(denoiser: Denoiser, who: str) -> nn.Module:
    if not isinstance(denoiser.network, nn.Module):
        raise ValueError(f"{who} needs a denoiser whose network is a torch.nn.Module; that of {denoiser.name} is none.")
    return denoiser.network


def _condition(denoiser: Denoiser, condition: Prompt | Condition) -> Condition:
    """What `denoiser.given` makes of a prompt."""
    (_, term), *_ = denoiser.given(condition).terms
    assert isinstance(term, Given)
    return term.condition
