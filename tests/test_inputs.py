"""Reading inputs: photos, batches, folders; what does not fit is refused in one line that names it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx_models import integers, model, node, saved
from PIL import Image

from cnvlutin2.errors import Cnvlutin2Warning, ConfigError, NetworkError
from cnvlutin2.network import Inputs, Network, Numeric, OnnxNetwork, default_inputs, input_files, load_inputs, open_network
from cnvlutin2.network.bundled import bundled_inputs
from cnvlutin2.network.photos import read_photo


def network(
    folder: Path, shape: tuple[int | str, ...] = ("N", 3, 8, 8), metadata: dict[str, str] | None = None, dtype: str = "float32"
) -> OnnxNetwork:
    """A network with an input of any shape."""
    nodes = [node("Flatten", "x", "f"), node("Cast", "f", "c", to=1), node("MatMul", "c w", "y", "fc")]
    proto = model(nodes, {"x": shape}, ["y"], {"w": integers(int(np.prod([s for s in shape if isinstance(s, int)])), 4)})
    proto.graph.input[0].type.tensor_type.elem_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    onnx.helper.set_model_props(proto, metadata or {})
    return OnnxNetwork(saved(folder, proto, f"net{abs(hash((shape, dtype, str(metadata))))}"))


def photo(folder: Path, height: int = 8, width: int = 8, name: str = "photo.png", mode: str = "RGB", seed: int = 0) -> Path:
    """A photo of random pixels."""
    shape = (height, width, len(mode)) if len(mode) > 1 else (height, width)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(folder / name)
    return folder / name


def pixels(path: Path) -> NDArray[Any]:
    return np.asarray(Image.open(path), np.float64)


def batch(folder: Path, values: NDArray[Any], name: str = "batch.npy") -> Path:
    np.save(folder / name, values)
    return folder / name


def test_recipes_are_the_published_formulas(tmp_path: Path) -> None:
    net, path = network(tmp_path), photo(tmp_path)
    x = pixels(path).transpose(2, 0, 1)
    mean, std = np.array([0.485, 0.456, 0.406])[:, None, None], np.array([0.229, 0.224, 0.225])[:, None, None]
    expected = {
        "none": x,
        "unit": x / 255,
        "imagenet-torch": (x / 255 - mean) / std,
        "imagenet-caffe": x[::-1] - np.array([104, 117, 123])[:, None, None],
    }
    for recipe, values in expected.items():
        found = load_inputs(net, [path], preprocess=recipe)
        assert found.values.dtype == np.float32
        np.testing.assert_allclose(found.values[0], values, rtol=1e-5, atol=1e-6)


def test_explicit_numbers_replace_a_recipes(tmp_path: Path) -> None:
    net, path = network(tmp_path), photo(tmp_path)
    x = pixels(path).transpose(2, 0, 1)
    whole = [(x * 2 - 3) / 4, (x - np.array([1, 2, 3])[:, None, None]), x[::-1] * 0.5, (x / 255 - 0.5) / 0.5]
    options: list[dict[str, Any]] = [
        {"scale": 2, "mean": 3, "std": 4},
        {"mean": [1, 2, 3]},
        {"scale": 0.5, "channels": "BGR"},
        {"preprocess": "unit", "mean": 0.5, "std": [0.5] * 3},
    ]
    for given, values in zip(options, whole, strict=True):
        np.testing.assert_allclose(load_inputs(net, [path], **given).values[0], values, rtol=1e-5, atol=1e-6)


def test_a_model_without_a_hint_is_warned_about(tmp_path: Path) -> None:
    path = photo(tmp_path)
    for net, recipe, options in (
        (network(tmp_path), "imagenet-torch", {}),
        (network(tmp_path, ("N", 1, 8, 8)), "unit", {}),
        (network(tmp_path), "imagenet-torch", {"channels": "BGR"}),
    ):
        with pytest.warns(
            Cnvlutin2Warning, match=rf"net\d+.onnx: says nothing about .*; taking {recipe} \(give --preprocess"
        ) as caught:
            found = load_inputs(net, [path, path], **options)  # type: ignore[arg-type]
        assert len(caught) == 1
        np.testing.assert_array_equal(found.values, load_inputs(net, [path, path], preprocess=recipe, **options).values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pixel_range", "scale", "mean"),
    [("NominalRange_0_255", 1, 0), ("Normalized_0_1", 1 / 255, 0), ("Normalized_1_1", 2 / 255, 1)],
)
@pytest.mark.parametrize(("pixel_format", "channels"), [("Rgb8", "RGB"), ("Bgr8", "BGR"), (None, "RGB")])
def test_a_models_metadata_are_heeded(
    pixel_range: str, scale: float, mean: float, pixel_format: str | None, channels: str, tmp_path: Path
) -> None:
    metadata = {"Image.NominalPixelRange": pixel_range} | ({"Image.BitmapPixelFormat": pixel_format} if pixel_format else {})
    path = photo(tmp_path)
    found = load_inputs(network(tmp_path, metadata=metadata), [path])
    explicit = load_inputs(network(tmp_path), [path], scale=scale, mean=mean, channels=channels)
    np.testing.assert_array_equal(found.values, explicit.values)


def test_layouts_and_grey(tmp_path: Path) -> None:
    path = photo(tmp_path)
    first = load_inputs(network(tmp_path), [path], preprocess="unit").values
    last = load_inputs(network(tmp_path, ("N", 8, 8, 3)), [path], preprocess="unit").values
    np.testing.assert_array_equal(first, last.transpose(0, 3, 1, 2))
    grey = load_inputs(network(tmp_path, ("N", 1, 8, 8)), [path], preprocess="none").values
    red, green, blue = pixels(path).transpose(2, 0, 1)
    np.testing.assert_allclose(grey[0, 0], 0.299 * red + 0.587 * green + 0.114 * blue, atol=1)
    # Both ends look like channels: the first, unless told.
    both = network(tmp_path, ("N", 3, 8, 3))
    assert load_inputs(both, [photo(tmp_path, 8, 3, "narrow.png")], preprocess="none").values.shape == (1, 3, 8, 3)
    assert load_inputs(both, [photo(tmp_path, 3, 8, "flat.png")], preprocess="none", layout="NHWC").values.shape == (1, 3, 8, 3)


def test_integer_models_take_the_pixels(tmp_path: Path) -> None:
    path = photo(tmp_path)
    found = load_inputs(network(tmp_path, dtype="uint8"), [path])
    assert found.values.dtype == np.uint8
    np.testing.assert_array_equal(found.values[0], pixels(path).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("dtype", "options", "words"),
    [
        ("uint8", {"preprocess": "imagenet-caffe"}, r"uint8, 0 to 255, .* pixels become -123 to 151; give --preprocess none"),
        ("uint8", {"preprocess": "imagenet-torch"}, r"pixels become fractions; give --preprocess none"),
        ("uint8", {"preprocess": "unit"}, r"fractions; give --preprocess none"),
        ("uint8", {"scale": 0.5}, r"fractions; give --preprocess none"),
        ("uint8", {"mean": [0, 0, 1]}, r"-1 to 255; give --preprocess none"),
        ("uint8", {"scale": 2}, r"0 to 510; give --preprocess none"),
        ("int64", {"preprocess": "cifar10"}, r"fractions; give --preprocess none"),
        ("int8", {}, r"int8, -128 to 127, .* pixels become 0 to 255; give --mean 128"),
        ("int8", {"preprocess": "imagenet-caffe"}, r"-123 to 151; give --mean 128"),
        ("bool", {}, r"bool, 0 to 1, .* pixels become 0 to 255; give an .npy batch"),
    ],
)
def test_recipes_that_integers_cannot_hold_are_refused(dtype: str, options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        load_inputs(network(tmp_path, dtype=dtype), [photo(tmp_path)], **options)


@pytest.mark.parametrize(
    ("dtype", "options", "mean", "scale"),
    [("uint8", {"preprocess": "none"}, 0, 1), ("int8", {"mean": 128}, 128, 1), ("int32", {"scale": 3, "mean": 7}, 7, 3)],
)
def test_recipes_that_integers_hold_are_exact(dtype: str, options: dict[str, Any], mean: int, scale: int, tmp_path: Path) -> None:
    path = photo(tmp_path)
    found = load_inputs(network(tmp_path, dtype=dtype), [path], **options).values
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[0], pixels(path).transpose(2, 0, 1) * scale - mean)


def test_a_hint_that_contradicts_the_integers_is_refused(tmp_path: Path) -> None:
    net = network(tmp_path, metadata={"Image.NominalPixelRange": "Normalized_0_1"}, dtype="uint8")
    with pytest.raises(ConfigError, match="fractions; give --preprocess none"):
        load_inputs(net, [photo(tmp_path)])
    assert load_inputs(net, [photo(tmp_path)], preprocess="none").values.max() > 1


def test_the_centre_is_cropped(tmp_path: Path) -> None:
    # Already at the short side that is asked for: nothing but the cut.
    for height, width in ((10, 8), (8, 13), (14, 11)):
        path = photo(tmp_path, height, width)
        found = load_inputs(network(tmp_path), [path], preprocess="none", resize=min(height, width)).values[0]
        top, left = (height - 8 + 1) // 2, (width - 8 + 1) // 2
        np.testing.assert_array_equal(found, pixels(path)[top : top + 8, left : left + 8].transpose(2, 0, 1))


@pytest.mark.parametrize(("size", "short"), [(32, 32), (64, 64), (65, 74), (96, 110), (224, 256), (227, 256), (299, 342)])
def test_the_usual_margins(size: int, short: int, tmp_path: Path) -> None:
    path = photo(tmp_path, short, short + 40)
    net = network(tmp_path, ("N", 3, size, size))
    by_default = load_inputs(net, [path], preprocess="none").values[0]
    margin = (short - size + 1) // 2
    expected = pixels(path)[margin : margin + size, (short + 40 - size + 1) // 2 :][:, :size]
    np.testing.assert_array_equal(by_default, expected.transpose(2, 0, 1))


def test_photos_are_resized_smoothly_in_proportion(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 255, 96, dtype=np.uint8)[None, :], 48, axis=0)
    Image.fromarray(np.stack([ramp] * 3, axis=2)).save(tmp_path / "ramp.png")
    found = load_inputs(network(tmp_path), [tmp_path / "ramp.png"], preprocess="none").values[0, 0]
    # 96x48 becomes 16x8; the middle 8 columns of 16.
    expected = (np.arange(8) + 4.5) / 16 * 255
    np.testing.assert_allclose(found, np.repeat(expected[None], 8, axis=0), atol=2)


def test_models_that_are_not_square(tmp_path: Path) -> None:
    net = network(tmp_path, ("N", 3, 6, 12))
    assert load_inputs(net, [photo(tmp_path, 50, 20)], preprocess="none").values.shape == (1, 3, 6, 12)


def test_free_sizes_need_resize(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "y")]
    proto = model(nodes, {"x": ["N", 3, "H", "W"]}, ["y"], {"w": integers(4, 3, 1, 1)})
    net, path = OnnxNetwork(saved(tmp_path, proto)), photo(tmp_path, 20, 30)
    assert load_inputs(net, [path], preprocess="none", resize=10).values.shape == (1, 3, 10, 10)
    with pytest.raises(NetworkError, match=r"takes images of any size .*say which with --resize"):
        load_inputs(net, [path], preprocess="none")


def test_turned_palette_and_transparent_photos(tmp_path: Path) -> None:
    upright = Image.fromarray(np.random.default_rng(1).integers(0, 256, (8, 12, 3), np.uint8))
    upright.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    upright.convert("RGBA").save(tmp_path / "clear.png")
    net = network(tmp_path)
    found = load_inputs(net, [tmp_path / f"{n}.png" for n in ("upright", "turned", "clear")], preprocess="none").values
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])
    upright.quantize(16).save(tmp_path / "palette.png", transparency=b"\x00\xff")
    assert load_inputs(net, [tmp_path / "palette.png"], preprocess="none").values.shape == (1, 3, 8, 8)


def test_batches_are_mapped_as_they_are(tmp_path: Path) -> None:
    values = integers(5, 3, 8, 8)
    path = batch(tmp_path, values)
    found = load_inputs(network(tmp_path), [path])
    np.testing.assert_array_equal(found.values, values)
    assert isinstance(found.values, np.memmap)
    assert list(found.names) == [f"{path}[{i}]" for i in range(5)]
    assert found.hashes == {str(path): hashlib.sha256(path.read_bytes()).hexdigest()}
    assert found.labels is None


@pytest.mark.parametrize("dtype", ["float64", "float16", ">f4"])
def test_other_floating_point_batches_are_converted(dtype: str, tmp_path: Path) -> None:
    values = integers(2, 3, 8, 8)
    found = load_inputs(network(tmp_path), [batch(tmp_path, values.astype(dtype))]).values
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)


def test_what_overflows_is_refused_when_it_runs(tmp_path: Path) -> None:
    net, path = network(tmp_path), batch(tmp_path, np.full((1, 3, 8, 8), 1e300))
    with pytest.raises(NetworkError, match=r"batch.npy\[0\]: holds values that are infinite or not numbers"):
        list(net.run(load_inputs(net, [path]), Numeric()))


@pytest.mark.parametrize(
    "values",
    [
        integers(2, 3, 8, 8, dtype="int64"),
        integers(2, 3, 8, 8, dtype="uint8"),
        integers(2, 3, 8, 8, dtype="complex64"),
        np.zeros((2, 3, 8, 8), bool),
        integers(3, 8, 8),
        integers(2, 8, 8, 3),
        integers(2, 3, 8, 9),
        integers(2, 3, 8, 9, dtype="float64"),
        integers(2, 3 * 64),
        np.array(["text"]),
        np.zeros(3, [("a", "f4")]),
        np.float32(1),
    ],
    ids=lambda v: f"{v.dtype}{list(v.shape)}".replace(" ", ""),
)
def test_batches_that_do_not_fit_are_refused(values: NDArray[Any], tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"batch.npy: is .*\], but .*net\d+.onnx takes float32 \[N, 3, 8, 8\]$"):
        load_inputs(network(tmp_path), [batch(tmp_path, values)])


def test_damaged_batches_are_refused(tmp_path: Path) -> None:
    net, whole = network(tmp_path), batch(tmp_path, integers(2, 3, 8, 8))
    data = whole.read_bytes()
    pickled, zipped, short, text, huge, empty = (
        tmp_path / f"{n}.npy" for n in ("pickled", "zipped", "short", "text", "huge", "empty")
    )
    np.save(pickled, np.array([{"a": 1}], object), allow_pickle=True)
    with zipped.open("wb") as stream:
        np.savez(stream, integers(2, 3, 8, 8))
    short.write_bytes(data[:-1])
    text.write_text("1 2 3")
    huge.write_bytes(data.replace(b"(2, 3, 8, 8)", b"(2222, 3, 8, 8)"))
    empty.touch()
    code = tmp_path / "code.npy"  # a header that ends inside a text
    code.write_bytes(data.replace(b"'shape': (2, 3", b"'''shape\0 (2, 3"))
    for path in (pickled, zipped, short, text, huge, empty, code):
        with pytest.raises(NetworkError, match=rf"{path.name}: is not an .npy array of numbers, or is truncated"):
            load_inputs(net, [path])
    with pytest.raises(NetworkError, match=r"none.npy: there is no such file"):
        load_inputs(net, [tmp_path / "none.npy"])
    batch(tmp_path, np.zeros((0, 3, 8, 8), np.float32), "nothing.npy")
    with pytest.raises(NetworkError, match=r"nothing.npy"):
        load_inputs(net, [tmp_path / "nothing.npy"])


def test_damaged_photos_are_refused(tmp_path: Path) -> None:
    net, whole = network(tmp_path), photo(tmp_path, 30, 30)
    data = whole.read_bytes()
    files = {
        "short.png": data[: len(data) // 2],
        "head.png": data[:20],
        "text.jpg": b"no photo",
        "empty.png": b"",
        "other.bin": bytes(99),
    }
    files["script.eps"] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EOF\n"  # Pillow would start Ghostscript
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(NetworkError, match=rf"{name}: cannot be read as a photo or .npy batch; give one \(PNG"):
            load_inputs(net, [tmp_path / name], preprocess="none")
    with pytest.raises(NetworkError, match=r"none.png: there is no such file or folder"):
        load_inputs(net, [tmp_path / "none.png"], preprocess="none")


def test_photos_too_large_or_too_deep_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, path = network(tmp_path), photo(tmp_path, 30, 30)
    for limit in (600, 100):  # Pillow warns of the one and refuses the other
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(NetworkError, match=r"photo.png: has too many pixels to unpack safely"):
            load_inputs(net, [path], preprocess="none")
    monkeypatch.undo()
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(NetworkError, match=r"deep.png: has more than 8 bits a channel"):
        load_inputs(net, [tmp_path / "deep.png"], preprocess="none")


def test_folders_are_read_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    (folder / "inside").mkdir(parents=True)
    for seed, name in enumerate(("b.png", "a.png", "c.bmp", ".hidden.png")):
        photo(folder, name=name, seed=seed)
    batch(folder, integers(2, 3, 8, 8), "ab.npy")
    net = network(tmp_path)
    found = load_inputs(net, [folder], preprocess="none")
    assert [Path(name).name for name in found.names] == ["a.png", "ab.npy[0]", "ab.npy[1]", "b.png", "c.bmp"]
    assert set(found.hashes) == {str(folder / n) for n in ("a.png", "ab.npy", "b.png", "c.bmp")}
    one = load_inputs(net, [folder / "b.png"], preprocess="none").values[0]
    np.testing.assert_array_equal(found.values[3], one)
    for limit in (1, 2, 5, 9):
        part = load_inputs(net, [folder], preprocess="none", limit=limit)
        np.testing.assert_array_equal(part.values, found.values[:limit])
        assert list(part.names) == list(found.names)[:limit]
    (folder / "notes.txt").write_text("notes")
    with pytest.warns(Cnvlutin2Warning, match=r"images: passed over 1 file\(s\) that are neither photos nor .npy, as notes.txt"):
        load_inputs(net, [folder], preprocess="none")


def test_folders_without_inputs_are_refused(tmp_path: Path) -> None:
    net, folder = network(tmp_path), tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(NetworkError, match=r"empty: holds no photo and no .npy batch"):
        load_inputs(net, [folder])


def test_inputs_of_different_sizes_are_refused(tmp_path: Path) -> None:
    proto = model([node("Conv", "x w", "y")], {"x": ["N", 3, "H", "W"]}, ["y"], {"w": integers(4, 3, 1, 1)})
    paths = [batch(tmp_path, integers(1, 3, 8, 8), "one.npy"), batch(tmp_path, integers(1, 3, 9, 8), "two.npy")]
    with pytest.raises(NetworkError, match=r"two.npy: is \[3, 9, 8\] an input, others are \[3, 8, 8\]"):
        load_inputs(OnnxNetwork(saved(tmp_path, proto)), paths)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"preprocess": "imagenet"}, "no recipe is called 'imagenet'; there are none, unit, imagenet-torch"),
        ({"mean": [1, 2]}, "2 values for 3 channel"),
        ({"std": 0}, "must be finite and not 0"),
        ({"scale": float("inf")}, "must be finite"),
        ({"mean": float("nan")}, "must be finite"),
        ({"channels": "L", "scale": 1}, "L gives 1 channel"),
        ({"channels": "RBG", "scale": 1}, "'RBG' is not one of RGB, BGR, L"),
        ({"resize": 4, "scale": 1}, "a short side of 4 does not cover the model's 8x8"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        load_inputs(network(tmp_path), [photo(tmp_path)], **options)


def test_photos_for_what_is_no_image_are_refused(tmp_path: Path) -> None:
    for shape in (("N", 30), ("N", 4, 8, 8), ("N", 3, 8)):
        with pytest.raises(NetworkError, match="does not look like an image"):
            load_inputs(network(tmp_path, shape), [photo(tmp_path)])


def test_labels(tmp_path: Path) -> None:
    net, path = network(tmp_path), batch(tmp_path, integers(3, 3, 8, 8))
    (tmp_path / "labels.txt").write_text("3\n1\n2\n")
    np.save(tmp_path / "labels.npy", np.array([3, 1, 2], np.int16))
    for labels in ([3, 1, 2], tmp_path / "labels.txt", str(tmp_path / "labels.npy")):
        loaded = load_inputs(net, [path], labels=labels)
        assert set(loaded.hashes) == {str(p) for p in (path, labels) if not isinstance(p, list)}
        found = loaded.labels
        assert found is not None
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, [3, 1, 2])
        cut = load_inputs(net, [path], labels=labels, limit=2).labels
        np.testing.assert_array_equal(cut, [3, 1])
    (tmp_path / "words.txt").write_text("cat dog cat")
    bad: list[tuple[Any, str]] = [
        ([1, 2], "holds 2 labels for 3 images"),
        ([1, 2, 3, 4], "holds 4 labels for 3 images"),
        ([0.5, 1, 2], "must be one integer an image"),
        ([-1, 1, 2], "negative"),
        (tmp_path / "words.txt", "words.txt: cannot be read as labels"),
        (tmp_path / "none.txt", "none.txt: cannot be read as labels"),
        (tmp_path, "cannot be read as labels"),
    ]
    for labels, words in bad:
        with pytest.raises(NetworkError, match=words):
            load_inputs(net, [path], labels=labels)


def test_networks_own_inputs(tmp_path: Path, shared: Path) -> None:
    digits, traces = open_network("digits"), open_network(shared / "vectors" / "t01.npz")
    own = default_inputs(digits)
    assert isinstance(own, Inputs)
    np.testing.assert_array_equal(own.values, bundled_inputs().values)
    np.testing.assert_array_equal(load_inputs(digits, limit=4).values, bundled_inputs(4).values)
    labels = list(range(4))
    assert load_inputs(digits, limit=4, labels=labels).labels.tolist() == labels  # type: ignore[union-attr]
    for call in (default_inputs, load_inputs):
        with pytest.raises(NetworkError, match=r"has no inputs of its own; give photos, an .npy batch or a folder with --input"):
            call(network(tmp_path))
    for paths in ([], [photo(tmp_path)]):
        with pytest.raises(NetworkError, match="holds its own values and takes no inputs"):
            load_inputs(traces, paths)


def test_a_network_runs_on_a_photo(tmp_path: Path) -> None:
    net: Network = network(tmp_path)
    (layer,) = net.run(load_inputs(net, [photo(tmp_path)], preprocess="unit"), Numeric())
    assert layer.images == 1


def test_photo_options_without_photos_are_refused(tmp_path: Path) -> None:
    net, path = network(tmp_path), batch(tmp_path, np.zeros((1, 3, 8, 8), np.float32))
    for key, value in {"mean": 0.5, "preprocess": "unit", "layout": "NCHW", "resize": 9}.items():
        for source, paths in ((net, [path]), (open_network("digits"), [])):
            with pytest.raises(ConfigError, match=f"is for photos, and the inputs are none at {key}"):
                load_inputs(source, paths, **{key: value})  # type: ignore[arg-type]


def test_how_photos_were_read_is_recorded(tmp_path: Path) -> None:
    net, path = network(tmp_path), photo(tmp_path)
    found = load_inputs(net, [path], scale=0.5, mean=[1, 2, 3], channels="BGR")
    recipe = {"scale": 0.5, "mean": (1.0, 2.0, 3.0), "std": (1.0,), "channels": "BGR"}
    assert found.settings == {"photos": {**recipe, "layout": "NCHW", "height": 8, "width": 8, "resize": None}}
    assert load_inputs(net, [batch(tmp_path, found.values)]).settings == {}


def test_whole_numbers_of_the_other_byte_order_are_converted(tmp_path: Path) -> None:
    values = integers(2, 3, 8, 8, dtype=">i8")
    found = load_inputs(network(tmp_path, dtype="int64"), [batch(tmp_path, values)])
    assert found.values.dtype == np.int64
    np.testing.assert_array_equal(found.values, values)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(NetworkError, match="neither a file nor a folder"):
        load_inputs(network(tmp_path), [tmp_path / "pipe.npy"])


def test_more_images_than_are_held_are_read_when_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos before and after a batch of doubles; in memory are the first files, until one goes beyond the limit."""
    net, folder = network(tmp_path), tmp_path / "images"
    folder.mkdir()
    for i in range(5):
        photo(folder, name=f"{i}.png", seed=i)
    batch(folder, integers(3, 3, 8, 8, dtype="float64"), "2b.npy")
    read: list[str] = []
    own = read_photo

    def noting(path: Path, *given: Any) -> NDArray[Any]:
        read.append(path.name)
        return own(path, *given)

    monkeypatch.setattr(input_files, "read_photo", noting)
    whole = load_inputs(net, [folder], preprocess="unit", labels=[0] * 8)
    assert len(read) == 5
    image = 3 * 8 * 8 * 4
    for held_bytes, photos in ((image - 1, 1), (2 * image, 3), (7 * image, 5)):
        monkeypatch.setattr(input_files, "HELD_BYTES", held_bytes)
        read.clear()
        found = load_inputs(net, [folder], preprocess="unit", labels=[0] * 8)
        assert len(read) == photos  # that are held, and the first of which is not
        assert (found.shape, found.dtype.name, len(found)) == ((8, 3, 8, 8), "float32", 8)
        for key in ("names", "hashes", "settings"):
            assert getattr(found, key) == getattr(whole, key)
        for i in range(8):
            np.testing.assert_array_equal(found.image(i), whole.values[i : i + 1])
        np.testing.assert_array_equal(found.values, whole.values)
        layers = [list(net.run(each, Numeric())) for each in (found, whole)]
        np.testing.assert_array_equal(layers[0][0].activations, layers[1][0].activations)


def test_a_large_batch_is_not_kept_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = integers(5, 3, 8, 8)
    path = batch(tmp_path, values)
    monkeypatch.setattr(input_files, "HELD_BYTES", 100)
    found = load_inputs(network(tmp_path), [path], limit=4)
    assert found.shape == (4, 3, 8, 8)
    image = found.image(3)
    np.testing.assert_array_equal(image, values[3:4])
    assert not isinstance(image, np.memmap)
    assert image.base is None


def test_a_damaged_photo_that_is_not_held_is_named_when_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, good = network(tmp_path), photo(tmp_path)
    (tmp_path / "bad.png").write_bytes(b"no photo")
    monkeypatch.setattr(input_files, "HELD_BYTES", 0)
    found = load_inputs(net, [good, tmp_path / "bad.png"], preprocess="unit")
    with pytest.raises(NetworkError, match=r"bad\.png: cannot be read as a photo"):
        list(net.run(found, Numeric()))
