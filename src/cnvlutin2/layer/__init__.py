"""A layer: its shape (`Geometry`), and the values that it sees (`Layer`); it knows no network and no accelerator."""

from cnvlutin2.layer.geometry import Geometry
from cnvlutin2.layer.layer import Kind, Layer

__all__ = ["Geometry", "Kind", "Layer"]
