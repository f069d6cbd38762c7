"""Video transformers that want more than x, the timestep and the text; x is (B, C, T, h, w)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class CogVideoXNetwork(nn.Module):
    """A CogVideoXTransformer3DModel under text states (B, L, D): frames before channels, rotary positions from outside."""

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        self.transformer = transformer
        self._rotary: dict[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def forward(self, x: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        output: Tensor = self.transformer(
            hidden_states=x.transpose(1, 2),
            timestep=timestep,
            encoder_hidden_states=text.to(x.dtype),
            image_rotary_emb=self._positions(x) if self.transformer.config.use_rotary_positional_embeddings else None,
            return_dict=False,
        )[0]
        return output.transpose(1, 2)

    def _positions(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the tokens' places, (tokens, D) each; kept, since a sampler asks for the same in every step."""
        from diffusers.models.embeddings import get_3d_rotary_pos_embed

        key = (*x.shape[2:], x.device)
        if key not in self._rotary:
            config = self.transformer.config
            side, time = config.patch_size, config.patch_size_t
            grid = (x.shape[3] // side, x.shape[4] // side)
            base = (config.sample_height // side, config.sample_width // side)
            places: dict[str, Any]
            if time is None:  # CogVideoX 1.0 stretches the places to those of its training size
                places = {"crops_coords": _within(grid, base), "temporal_size": x.shape[2]}
            else:  # 1.5 counts them
                places = {"crops_coords": None, "temporal_size": -(-x.shape[2] // time)}
                places |= {"grid_type": "slice", "max_size": base}
            self._rotary[key] = get_3d_rotary_pos_embed(
                config.attention_head_dim, grid_size=grid, device=x.device, **places
            )
        return self._rotary[key]


def _within(grid: tuple[int, int], base: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The corners of a grid of tokens (rows, columns) enlarged or shrunk to fit in the middle of `base`."""
    scale = min(base[0] / grid[0], base[1] / grid[1])
    rows, columns = round(grid[0] * scale), round(grid[1] * scale)
    top, left = round((base[0] - rows) / 2), round((base[1] - columns) / 2)
    return (top, left), (top + rows, left + columns)
