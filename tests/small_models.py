"""Small random models of the real classes, saved as the libraries save them."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

WORDS = ("a", "red", "blue", "mushroom", "cube")


def clip_tokenizer() -> Any:
    """Every word of WORDS is one token, letters are tokens too; byte-pair merges learned on the words."""
    from transformers import CLIPTokenizer

    words = [[*word[:-1], word[-1] + "</w>"] for word in WORDS]
    letters = [chr(code) + end for code in range(97, 123) for end in ("", "</w>")]
    pieces, merges = dict.fromkeys(letters), []
    while pairs := Counter(pair for word in words for pair in pairwise(word)):
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        pieces["".join(best)] = None
        words = [_merged(word, best) for word in words]
    vocab = {piece: index for index, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=16)


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    for at in range(len(word) - 1):
        if (word[at], word[at + 1]) == pair:
            return _merged([*word[:at], "".join(pair), *word[at + 2 :]], pair)
    return word


def clip_encoder(tokenizer: Any, width: int = 16) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=width,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def text_unet(channels: int, size: int, width: int = 16, **config: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        **{"in_channels": channels, "out_channels": channels} | config,
        sample_size=size,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=2,
        norm_num_groups=8,
    )


def stable_diffusion(prediction: str) -> Any:
    """A StableDiffusionPipeline with an 8x8 latent of 16x16 pictures."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline

    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        sample_size=16,
        scaling_factor=0.18215,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
    )
    pipe = StableDiffusionPipeline(
        unet=text_unet(4, 8),
        vae=vae,
        text_encoder=clip_encoder(tokenizer),
        tokenizer=tokenizer,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def deepfloyd() -> Any:
    """An IFPipeline of 8x8 pictures: T5, pooled text beside the timestep, learned variance."""
    from diffusers import DPMSolverMultistepScheduler, IFPipeline
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    torch.manual_seed(0)
    pieces = ["<pad>", "</s>", "<unk>", *("▁" + word for word in WORDS), "▁", *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = T5Tokenizer(vocab=[(piece, -float(at)) for at, piece in enumerate(pieces)])
    text = T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    unet = text_unet(
        3,
        8,
        out_channels=6,
        encoder_hid_dim=16,
        encoder_hid_dim_type="text_proj",
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
    )
    # First order with a learned variance is DDIM without the variance: what the Denoiser must give.
    scheduler = DPMSolverMultistepScheduler(
        beta_schedule="squaredcos_cap_v2", variance_type="learned_range", solver_order=1, timestep_spacing="trailing"
    )
    pipe = IFPipeline(
        tokenizer=tokenizer,
        text_encoder=T5EncoderModel(text).eval(),  # made in training mode, with dropout
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def saved(pipe: Any, folder: Path) -> tuple[Any, Path]:
    """The pipeline, and the folder that it was saved to."""
    pipe.save_pretrained(folder, safe_serialization=True)
    return pipe, folder
