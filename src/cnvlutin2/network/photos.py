"""From photos to a network's input: resize, crop, order of channels, normalisation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import Cnvlutin2Warning, ConfigError, NetworkError, did_you_mean
from cnvlutin2.network.input_spec import InputSpec, Layout

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""What is read: formats that need no other program (Pillow would start one for EPS)."""
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
DEEP_MODES = ("I", "F")
"""Pillow's modes of more than 8 bits a channel begin with these."""
MARGIN = 224 / 256
"""ImageNet recipes crop 224 (or 227) of a short side of 256."""
LEAST_CROPPED = 65
"""Inputs below this size see the whole short side, as the nets for 32x32 images."""

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Recipe:
    """How pixels become values: ``(pixel * scale - mean) / std``, pixels being 0 to 255.

    Parameters
    ----------
    scale : float
    mean, std : tuple of float
        One for all channels, or one each in the order of `channels`.
    channels : {"RGB", "BGR", "L"}
        The order in which the network takes them; "L" is grey.
    """

    scale: float = 1.0
    mean: Numbers = (0.0,)
    std: Numbers = (1.0,)
    channels: str = "RGB"


RECIPES = {
    "none": Recipe(),
    "unit": Recipe(1 / 255),
    "imagenet-torch": Recipe(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "imagenet-caffe": Recipe(1.0, (104.0, 117.0, 123.0), (1.0,), "BGR"),
    "cifar10": Recipe(1 / 255, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}
"""By name, as ``--preprocess`` takes them. Many networks for CIFAR-10 were trained with ``imagenet-torch``."""
PIXEL_FORMATS = {"Gray8": "L", "Rgb8": "RGB", "Bgr8": "BGR"}
PIXEL_RANGES = {
    "NominalRange_0_255": Recipe(),
    "Normalized_0_1": RECIPES["unit"],
    "Normalized_1_1": Recipe(2 / 255, (1.0,)),
}
"""Of the metadata ``Image.BitmapPixelFormat`` and ``Image.NominalPixelRange`` that ONNX defines."""


def choose_recipe(
    spec: InputSpec,
    image_channels: int,
    preprocess: str | None = None,
    *,
    mean: float | Sequence[float] | None = None,
    scale: float | None = None,
    std: float | Sequence[float] | None = None,
    channels: str | None = None,
) -> Recipe:
    """Return how photos are normalised: a named recipe, the model's metadata or a default, with what is given in its place.

    With `mean`, `scale` or `std` alone the others do nothing (mean 0, scale 1, std 1). With nothing given and no hint in the
    model, three channels are taken as ``imagenet-torch`` and one as ``unit``, with a warning.

    Raises
    ------
    ConfigError
        For an unknown name, numbers that do not fit the channels, or values that a model of integers cannot take.
    """
    hint = _hinted(spec)
    if preprocess is not None and preprocess not in RECIPES:
        raise ConfigError(
            f"no recipe is called {preprocess!r}; there are {', '.join(RECIPES)}{did_you_mean(preprocess, RECIPES)}",
            where="preprocess",
        )
    if preprocess is not None:
        recipe = RECIPES[preprocess]
    elif not (mean is None and scale is None and std is None):
        recipe = replace(RECIPES["none"], channels=hint.channels if hint else "RGB")
    elif hint is not None or spec.dtype.kind != "f":
        recipe = hint or RECIPES["none"]
    else:
        name = "imagenet-torch" if image_channels == 3 else "unit"
        recipe = RECIPES[name]
        warnings.warn(
            f"{spec.source}: says nothing about how its images are normalised; taking {name} "
            "(give --preprocess, or --mean, --std and --scale)",
            Cnvlutin2Warning,
            stacklevel=6,
        )
    chosen = Recipe(
        recipe.scale if scale is None else float(scale),
        recipe.mean if mean is None else _numbers(mean),
        recipe.std if std is None else _numbers(std),
        channels or _pixel_format(spec) or (recipe.channels if image_channels == 3 else "L"),
    )
    _check(chosen, image_channels)
    if spec.dtype.kind != "f":
        _check_integers(chosen, spec)
    return chosen


def _numbers(given: float | Sequence[float]) -> Numbers:
    return tuple(float(value) for value in np.atleast_1d(np.asarray(given, np.float64)))


def _check(recipe: Recipe, image_channels: int) -> None:
    if recipe.channels not in {"RGB", "BGR", "L"}:
        raise ConfigError(f"{recipe.channels!r} is not one of RGB, BGR, L", where="channels")
    if image_channels != len(recipe.channels):
        raise ConfigError(
            f"{recipe.channels} gives {len(recipe.channels)} channel(s), the model takes {image_channels}", where="channels"
        )
    for key, values in (("mean", recipe.mean), ("std", recipe.std), ("scale", (recipe.scale,))):
        if len(values) not in {1, image_channels}:
            raise ConfigError(f"{len(values)} values for {image_channels} channel(s); give 1 or {image_channels}", where=key)
        if not np.isfinite(values).all() or (key != "mean" and 0 in values):
            raise ConfigError(f"{list(values)} must be finite{'' if key == 'mean' else ' and not 0'}", where=key)


def _check_integers(recipe: Recipe, spec: InputSpec) -> None:
    """Refuse a recipe by which some pixel becomes a value that the model's integers do not hold."""
    values = normalised(np.arange(256, dtype=np.float64)[None, None], recipe)
    low, high = (0, 1) if spec.dtype.kind == "b" else (int(np.iinfo(str(spec.dtype)).min), int(np.iinfo(str(spec.dtype)).max))
    if (values != np.rint(values)).any():
        found = "fractions"
    elif values.min() < low or values.max() > high:
        found = f"{values.min():g} to {values.max():g}"
    else:
        return
    what = f"{spec.source} takes {spec.dtype}, {low} to {high}, and by this recipe pixels become {found}"
    if high < 127:
        raise ConfigError(f"{what}; give an .npy batch", where="preprocess")
    fits = "--preprocess none" if high >= 255 else "--mean 128"
    raise ConfigError(f"{what}; give {fits}", where="preprocess")


def _pixel_format(spec: InputSpec) -> str | None:
    return PIXEL_FORMATS.get(spec.metadata.get("Image.BitmapPixelFormat", ""))


def _hinted(spec: InputSpec) -> Recipe | None:
    recipe = PIXEL_RANGES.get(spec.metadata.get("Image.NominalPixelRange", ""))
    return replace(recipe, channels=_pixel_format(spec) or "RGB") if recipe else None


def crop_size(spec: InputSpec, layout: Layout, resize: int | None) -> tuple[int, int]:
    """Return the height and width of the model's input; `resize` where the model leaves them open.

    Raises
    ------
    NetworkError
        If they are open and no size is given.
    """
    _, height, width = spec.image_shape(layout)
    if resize is None and (height is None or width is None):
        raise NetworkError(f"{spec.source}: takes images of any size ({spec.wanted()}); say which with --resize")
    return height or resize or 0, width or resize or 0


def read_photo(path: Path, size: tuple[int, int], resize: int | None, recipe: Recipe) -> NDArray[np.float64]:
    """Read a photo, shrink or enlarge it until it covers the crop with a margin, and cut its centre out.

    Parameters
    ----------
    path : Path
    size : (int, int)
        Height and width of the crop.
    resize : int or None
        The short side before the crop; by default 256 for 224 and 227, in proportion for other sizes, and the crop's own
        size below `LEAST_CROPPED`.
    recipe : Recipe

    Returns
    -------
    array of float64, ``[C, height, width]``
        Normalised.

    Raises
    ------
    NetworkError
        If the file is not a photo, or is too large to unpack.
    ConfigError
        If `resize` is smaller than the crop.
    """
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd but readable files
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=FORMATS) as image:
                if image.mode.startswith(DEEP_MODES):
                    raise NetworkError(
                        f"{path}: has more than 8 bits a channel (mode {image.mode}); convert it, or give an .npy batch"
                    )
                upright = ImageOps.exif_transpose(image)
                scaled = upright.convert("L" if recipe.channels == "L" else "RGB")
                scaled = scaled.resize(_covering(scaled.size, size, resize), Image.Resampling.BILINEAR)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise NetworkError(f"{path}: has too many pixels to unpack safely; shrink it") from None
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            if isinstance(error, (NetworkError, ConfigError)):
                raise
            raise NetworkError(f"{path}: cannot be read as a photo or .npy batch; give one ({', '.join(FORMATS)})") from None
    height, width = size
    top, left = (scaled.height - height + 1) // 2, (scaled.width - width + 1) // 2
    pixels = np.asarray(scaled, np.float64)[top : top + height, left : left + width]
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    if recipe.channels == "BGR":
        planes = planes[::-1]
    return normalised(planes, recipe)


def normalised(planes: NDArray[np.float64], recipe: Recipe) -> NDArray[np.float64]:
    """Return what pixels ``[C, height, width]`` become."""
    mean, std = (np.array(values)[:, None, None] for values in (recipe.mean, recipe.std))
    values: NDArray[np.float64] = (planes * recipe.scale - mean) / std
    return values


def _covering(found: tuple[int, int], size: tuple[int, int], resize: int | None) -> tuple[int, int]:
    """Return width and height, in the photo's proportions, that cover the crop."""
    width, height = found
    if resize is None:
        short = 256 if set(size) <= {224, 227} else min(size) if min(size) < LEAST_CROPPED else round(min(size) / MARGIN)
        factor = max(size[0] / height, size[1] / width) * short / min(size)
    else:
        factor = resize / min(found)
    scaled = (max(round(width * factor), 1), max(round(height * factor), 1))
    if scaled[0] < size[1] or scaled[1] < size[0]:
        raise ConfigError(f"a short side of {resize} does not cover the model's {size[0]}x{size[1]}", where="resize")
    return scaled
