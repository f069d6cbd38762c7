"""What a run that collects leaves behind: the dataset, a video and a strip of pictures, and its state for a resume."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scorekit.host.plugin import RunContext
from scorekit_diffusion_policy.episodes import Demonstrations, Episode
from scorekit_diffusion_policy.formats import minari

FPS = 10


def episode_state(episode: Episode) -> dict[str, Any]:
    """An episode as a checkpoint keeps it: tensors and numbers."""
    return {
        "observations": {name: torch.from_numpy(values) for name, values in episode.observations.items()},
        "final": {name: torch.from_numpy(np.asarray(values)) for name, values in (episode.final or {}).items()},
        "actions": torch.from_numpy(episode.actions),
        "labels": torch.from_numpy(episode.labels),
        "rewards": torch.from_numpy(episode.rewards),
        "seed": episode.seed,
        "success": episode.success,
        "score": episode.score,
    }


def restored_episode(state: dict[str, Any]) -> Episode:
    """The episode that `episode_state` has kept."""

    def arrays(tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
        return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}

    return Episode(
        arrays(state["observations"]),
        state["actions"].cpu().numpy(),
        state["labels"].cpu().numpy(),
        state["rewards"].cpu().numpy(),
        int(state["seed"]),
        bool(state["success"]),
        float(state["score"]),
        arrays(state["final"]) or None,
    )


def save_dataset(ctx: RunContext, data: Demonstrations, name: str) -> None:
    """Save `data` as the Minari dataset `name` of the run folder, which is a MINARI_DATASETS_PATH for it."""
    with tempfile.TemporaryDirectory(dir=ctx.folder, prefix=".dataset-") as folder:
        minari.write(data, Path(folder), dataset_id=name, description=f"{data.task}, demonstrated by an expert")
        for file in sorted((Path(folder) / "data").iterdir()):
            ctx.save(f"{name}/data/{file.name}", file)


def save_films(ctx: RunContext, films: Sequence[Sequence[np.ndarray]], pictures: int) -> None:
    """Save the films, one after the other, as episodes.mp4, and `pictures` of each, a row for each, as episodes.png."""
    if not films:
        return
    rows = []
    for film in films:
        places = np.linspace(0, len(film) - 1, pictures).round().astype(int)
        rows.append(np.concatenate([film[place] for place in places], axis=1))
    ctx.save("episodes.png", np.concatenate(rows))

    def write(path: Path) -> None:
        import imageio.v2 as imageio

        with imageio.get_writer(
            path, format="FFMPEG", fps=FPS, codec="libx264", quality=7, macro_block_size=2, pixelformat="yuv420p"
        ) as writer:
            for film in films:
                for frame in [*film, *[film[-1]] * FPS]:  # its end stands for a second
                    writer.append_data(frame)  # type: ignore[attr-defined]

    ctx.save("episodes.mp4", write)
