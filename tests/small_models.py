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


def clip_encoder(tokenizer: Any, width: int = 16, projected: bool = False) -> Any:
    """projected: with the projection of its pooled text, as the encoders of SDXL and SD3 are."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

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
    return CLIPTextModelWithProjection(config) if projected else CLIPTextModel(config)


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


def autoencoder(channels: int = 4, **config: Any) -> Any:
    """Latents of half the picture's side."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        sample_size=16,
        latent_channels=channels,
        **{"scaling_factor": 0.18215} | config,
    )


def ddim(prediction: str = "epsilon", **config: Any) -> Any:
    """Stable Diffusion's betas, every step without clipping."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        **{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"} | config,
        prediction_type=prediction,
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
    )


def stable_diffusion(prediction: str, **unet: Any) -> Any:
    """A StableDiffusionPipeline with an 8x8 latent of 16x16 pictures."""
    from diffusers import StableDiffusionPipeline

    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    vae, scheduler = autoencoder(), ddim(prediction)
    pipe = StableDiffusionPipeline(
        unet=text_unet(4, 8, **unet),
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


def t5(width: int = 16) -> tuple[Any, Any]:
    """A T5 tokenizer that knows WORDS and letters, and its encoder."""
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    pieces = ["<pad>", "</s>", "<unk>", *("▁" + word for word in WORDS), "▁", *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = T5Tokenizer(vocab=[(piece, -float(at)) for at, piece in enumerate(pieces)])
    config = T5Config(vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    return tokenizer, T5EncoderModel(config).eval()  # made in training mode, with dropout


def sdxl(force_zeros: bool = True) -> Any:
    """A StableDiffusionXLPipeline with an 8x8 latent of 16x16 pictures; its two encoders differ in width."""
    from diffusers import StableDiffusionXLPipeline

    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    unet = text_unet(
        4,
        8,
        width=40,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 24,
    )
    pipe = StableDiffusionXLPipeline(
        unet=unet,
        vae=autoencoder(scaling_factor=0.13025),
        text_encoder=clip_encoder(tokenizer),
        text_encoder_2=clip_encoder(tokenizer, 24, projected=True),
        tokenizer=tokenizer,
        tokenizer_2=clip_tokenizer(),
        scheduler=ddim(),
        force_zeros_for_empty_prompt=force_zeros,
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def sd3(with_t5: bool = True) -> Any:
    """A StableDiffusion3Pipeline with an 8x8 latent of 16x16 pictures."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    transformer = SD3Transformer2DModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=48,
        caption_projection_dim=16,
        pooled_projection_dim=40,
        pos_embed_max_size=8,
    )
    tokenizer_3, text_encoder_3 = t5(48) if with_t5 else (None, None)
    pipe = StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(scaling_factor=1.5305, shift_factor=0.0609),
        text_encoder=clip_encoder(tokenizer, projected=True),
        tokenizer=tokenizer,
        text_encoder_2=clip_encoder(tokenizer, 24, projected=True),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=text_encoder_3,
        tokenizer_3=tokenizer_3,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def flux(guidance: bool = True) -> Any:
    """A FluxPipeline on four latent channels; with guidance distilled into it, as dev, or without, as schnell."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    tokenizer_2, text_encoder_2 = t5(24)
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=24,
        pooled_projection_dim=16,
        guidance_embeds=guidance,
        axes_dims_rope=(4, 6, 6),
    )
    pipe = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=guidance, shift=3.0 if guidance else 1.0),
        vae=autoencoder(scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=clip_encoder(tokenizer),
        tokenizer=tokenizer,
        text_encoder_2=text_encoder_2,
        tokenizer_2=tokenizer_2,
        transformer=transformer,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def pixart(kind: str = "alpha", size: int = 8, patch: int = 2) -> Any:
    """A PixArtAlphaPipeline or PixArtSigmaPipeline of `size` latents; of size 128 it is told resolution and aspect ratio."""
    from diffusers import PixArtAlphaPipeline, PixArtSigmaPipeline, PixArtTransformer2DModel

    torch.manual_seed(0)
    tokenizer, text_encoder = t5()
    transformer = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        out_channels=8,
        num_layers=2,
        cross_attention_dim=24,
        sample_size=size,
        patch_size=patch,
        caption_channels=16,
        use_additional_conditions=size == 128,
    )
    cls = PixArtAlphaPipeline if kind == "alpha" else PixArtSigmaPipeline
    pipe = cls(
        tokenizer=tokenizer,
        text_encoder=text_encoder,
        vae=autoencoder(),
        transformer=transformer,
        scheduler=ddim(beta_start=1e-4, beta_end=0.02, beta_schedule="linear"),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def dit() -> Any:
    """A DiTPipeline of 8x8 latents, with three classes that have names."""
    from diffusers import DiTPipeline, DiTTransformer2DModel

    torch.manual_seed(0)
    transformer = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, out_channels=8, num_layers=2, sample_size=8
    )
    pipe = DiTPipeline(
        transformer=transformer.eval(),  # made in training mode, in which it drops classes
        vae=autoencoder(),
        scheduler=ddim(beta_start=1e-4, beta_end=0.02, beta_schedule="linear"),
    )
    # As the published folders have them; the pipeline itself does not save its labels.
    pipe.register_to_config(id2label={"0": "tench, Tinca tinca", "1": "goldfish, Carassius auratus", "879": "umbrella"})
    pipe.set_progress_bar_config(disable=True)
    return pipe


def deepfloyd() -> Any:
    """An IFPipeline of 8x8 pictures: T5, pooled text beside the timestep, learned variance."""
    from diffusers import DPMSolverMultistepScheduler, IFPipeline

    torch.manual_seed(0)
    tokenizer, text_encoder = t5()
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
        text_encoder=text_encoder,
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


def control_for(unet: Any, folder: Path) -> tuple[Any, Path]:
    """A ControlNet of this unet whose last layers are not zero, as they are before training."""
    from diffusers import ControlNetModel

    torch.manual_seed(5)
    # A conditioning network that halves a picture's side, as the small autoencoders do.
    network = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16))
    for name, parameter in network.named_parameters():
        if "controlnet_" in name or "conv_out" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(folder)
    return network.eval(), folder
