"""Encoders: a brick in, its record out, bit for bit as `cnvlutin2.encode` writes it."""

from cnvlutin2.hardware.design.encoders.encoder import Encoder, encoder_for, saturated_threshold

__all__ = ["Encoder", "encoder_for", "saturated_threshold"]
