"""Small random video and audio pipelines of the real classes. `small_models.saved` saves them."""

from typing import Any

import torch
from small_models import WORDS, clip_encoder, clip_tokenizer, ddim


def t5_tokenizer(length: int) -> Any:
    from transformers import T5Tokenizer

    pieces = ["<pad>", "</s>", "<unk>", *("▁" + word for word in WORDS), "▁", *"abcdefghijklmnopqrstuvwxyz&;"]
    return T5Tokenizer(vocab=[(piece, -float(at)) for at, piece in enumerate(pieces)], model_max_length=length)


def t5_encoder(tokenizer: Any, *, multilingual: bool = False) -> Any:
    """A T5, or a UMT5, which has positions in every layer; 16 wide."""
    import transformers

    config = transformers.UMT5Config if multilingual else transformers.T5Config
    encoder = transformers.UMT5EncoderModel if multilingual else transformers.T5EncoderModel
    sizes = config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    return encoder(sizes)


def model_scope() -> Any:
    """A TextToVideoSDPipeline: 8x8 latents of 16x16 frames."""
    from diffusers import AutoencoderKL, DDIMScheduler, TextToVideoSDPipeline, UNet3DConditionModel

    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    unet = UNet3DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock3D", "CrossAttnDownBlock3D"),
        up_block_types=("CrossAttnUpBlock3D", "UpBlock3D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    # Its temporal layers start as the identity: what the frames tell each other must be seen.
    for name, parameter in unet.named_parameters():
        if "temp" in name:
            torch.nn.init.normal_(parameter, std=0.2)
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
        clip_sample=False,
        timestep_spacing="trailing",
    )
    return _quiet(TextToVideoSDPipeline(vae, clip_encoder(tokenizer), tokenizer, unet, scheduler))


def wan(shift: float = 3.0, solver: str = "euler") -> Any:
    """A WanPipeline: latents of 4 frames and 8x8 pixels, whose channels have other means and spreads."""
    from diffusers import (
        AutoencoderKLWan,
        FlowMatchEulerDiscreteScheduler,
        UniPCMultistepScheduler,
        WanPipeline,
        WanTransformer3DModel,
    )

    torch.manual_seed(0)
    tokenizer = t5_tokenizer(512)
    transformer = WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        text_dim=16,
        freq_dim=16,
        ffn_dim=32,
        num_layers=2,
        rope_max_seq_len=32,
    )
    vae = AutoencoderKLWan(
        base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[-0.5, 0.2, 0.0, 0.7],
        latents_std=[2.0, 1.5, 0.5, 1.0],
    )
    if solver == "euler":
        scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    else:
        scheduler = UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift, solver_order=2
        )
    encoder = t5_encoder(tokenizer, multilingual=True)
    return _quiet(WanPipeline(tokenizer, encoder, vae, scheduler, transformer))


def cog_video_x(*, rotary: bool = True, time_patch: int | None = None) -> Any:
    """A CogVideoXPipeline: latents of 4 frames and 8x8 pixels, of clips of 9 frames of 32x48 pixels."""
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )

    torch.manual_seed(0)
    tokenizer = t5_tokenizer(16)
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=8,
        text_embed_dim=16,
        num_layers=2,
        sample_height=4,
        sample_width=6,
        sample_frames=9,
        patch_size=2,
        patch_size_t=time_patch,
        max_text_seq_length=16,
        use_rotary_positional_embeddings=rotary,
        patch_bias=time_patch is None,
    )
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(4, 4, 4, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        scaling_factor=0.7,
    )
    scheduler = CogVideoXDDIMScheduler(
        prediction_type="v_prediction", rescale_betas_zero_snr=True, snr_shift_scale=3.0, timestep_spacing="trailing"
    )
    return _quiet(CogVideoXPipeline(tokenizer, t5_encoder(tokenizer), vae, transformer, scheduler))


def stable_audio(order: int = 2) -> Any:
    """A StableAudioPipeline: 12 latents of 8 samples each, stereo at 16 Hz."""
    from diffusers import (
        AutoencoderOobleck,
        CosineDPMSolverMultistepScheduler,
        StableAudioDiTModel,
        StableAudioPipeline,
        StableAudioProjectionModel,
    )

    torch.manual_seed(0)
    tokenizer = t5_tokenizer(16)
    transformer = StableAudioDiTModel(
        sample_size=12,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        num_key_value_attention_heads=1,
        cross_attention_dim=8,
        time_proj_dim=8,
        global_states_input_dim=16,
        cross_attention_input_dim=8,
    )
    vae = AutoencoderOobleck(
        encoder_hidden_size=8,
        downsampling_ratios=[2, 4],
        channel_multiples=[1, 2],
        decoder_channels=8,
        decoder_input_channels=4,
        audio_channels=2,
        sampling_rate=16,
    )
    projection = StableAudioProjectionModel(text_encoder_dim=16, conditioning_dim=8, min_value=0, max_value=64)
    scheduler = CosineDPMSolverMultistepScheduler(solver_order=order)
    return _quiet(StableAudioPipeline(vae, t5_encoder(tokenizer), projection, tokenizer, transformer, scheduler))


def audio_ldm_2() -> Any:
    """An AudioLDM2Pipeline: 16 latents of 2 frames of 8 samples each, and of 2 of 8 bands, at 16 kHz."""
    from diffusers import (
        AudioLDM2Pipeline,
        AudioLDM2ProjectionModel,
        AudioLDM2UNet2DConditionModel,
        AutoencoderKL,
    )
    from transformers import (
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        GPT2Config,
        GPT2LMHeadModel,
        RobertaTokenizer,
        SpeechT5HifiGan,
        SpeechT5HifiGanConfig,
    )

    torch.manual_seed(0)
    letters = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"abcdefghijklmnopqrstuvwxyz", "Ġ"]
    tokenizer = RobertaTokenizer(
        vocab={piece: at for at, piece in enumerate(letters)}, merges=[], model_max_length=64, pad_token="<pad>"
    )
    text = {"vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 32, "max_position_embeddings": 72}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 12}
    hearing = {"spec_size": 64, "num_mel_bins": 8, "hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2]}
    sizes = {"patch_embeds_hidden_size": 8, "intermediate_size": 8, "projection_dim": 12, "window_size": 4}
    clap = ClapModel(ClapConfig(text_config=text | layers, audio_config=hearing | sizes, projection_dim=12))
    tokenizer_2 = t5_tokenizer(512)
    unet = AudioLDM2UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=((None, 20, 16), (None, 20, 16)),
        attention_head_dim=4,
    )
    vae = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        latent_channels=4,
        scaling_factor=0.41,
    )
    vocoder = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=8,
            sampling_rate=16000,
            upsample_initial_channel=8,
            upsample_rates=[4, 2],
            upsample_kernel_sizes=[7, 4],  # a sample more than four times as many, as AudioLDM's first layer
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1, 3]],
            normalize_before=False,
        )
    )
    language = GPT2LMHeadModel(
        GPT2Config(vocab_size=8, n_positions=160, n_embd=20, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)
    )
    return _quiet(
        AudioLDM2Pipeline(
            vae=vae,
            text_encoder=clap,
            text_encoder_2=t5_encoder(tokenizer_2),
            projection_model=AudioLDM2ProjectionModel(12, 16, 20),
            language_model=language,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer_2,
            feature_extractor=ClapFeatureExtractor(feature_size=8),
            unet=unet,
            scheduler=ddim(beta_start=0.0015, beta_end=0.0195),
            vocoder=vocoder,
        )
    )


def _quiet(pipe: Any) -> Any:
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()  # made in training mode, some with dropout
    pipe.set_progress_bar_config(disable=True)
    return pipe
