"""Encoders: a brick in, its record out, bit for bit as `cnvlutin2.encode` writes it."""

from cnvlutin2.hardware.design.encoders.encoder import Encoder, encoder_for
from cnvlutin2.hardware.design.encoders.tile_encoder import TileEncoder

__all__ = ["Encoder", "TileEncoder", "encoder_for"]
