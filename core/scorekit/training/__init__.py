"""One trainer on accelerate for every network of the suite."""

from scorekit.training.objective import denoising_loss
from scorekit.training.trainer import Settings, train

__all__ = ["Settings", "denoising_loss", "train"]
