"""The sounds that pico-audio and its recogniser are trained on, with captions that are exact by construction."""
