"""The bundled networks: what `digits.json` claims is measured again."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.bundled import FOLDER, bundled_inputs, bundled_names, bundled_path, bundled_record


def weights(name: str) -> dict[str, NDArray[np.float32]]:
    graph = onnx.load(bundled_path(name)).graph
    return {t.name.removesuffix(".weight"): onnx.numpy_helper.to_array(t) for t in graph.initializer if "weight" in t.name}


@pytest.mark.parametrize("name", bundled_names())
def test_accuracy_is_the_recorded_one(name: str) -> None:
    record = bundled_record()["networks"][name]
    inputs = bundled_inputs()
    session = onnxruntime.InferenceSession(bundled_path(name), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"image": inputs.values})
    assert inputs.labels is not None
    correct = int((scores.argmax(1) == inputs.labels).sum())
    assert correct == record["test_correct"]
    assert correct >= 0.98 * len(inputs.labels)


@pytest.mark.parametrize("name", bundled_names())
def test_sizes_and_densities_are_the_recorded_ones(name: str) -> None:
    record = bundled_record()["networks"][name]
    data = bundled_path(name).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (record["bytes"], record["sha256"])
    tensors = weights(name)
    assert sum(w.size for w in tensors.values()) == record["weights"]
    assert sum(int((w == 0).sum()) for w in tensors.values()) == record["zero_weights"]
    assert record["weight_density"] == {k: round(float((w != 0).mean()), 4) for k, w in tensors.items()}


def test_it_is_the_network_that_was_asked_for() -> None:
    dense, pruned = (weights(name) for name in bundled_names())
    convolutions = [w for w in dense.values() if w.ndim == 4]
    assert len(convolutions) >= 5
    assert max(w.shape[0] for w in convolutions) >= 128
    assert len(dense) - len(convolutions) == 2
    assert {k: w.shape for k, w in dense.items()} == {k: w.shape for k, w in pruned.items()}
    assert sum((w == 0).sum() for w in pruned.values()) >= 0.8 * sum(w.size for w in pruned.values())


def test_everything_together_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000


def test_the_held_out_images_are_the_set_that_the_seed_sets_aside() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed: it holds the whole data set")
    selection = pytest.importorskip("sklearn.model_selection")
    record, digits, held_out = bundled_record(), datasets.load_digits(), bundled_inputs()
    train, test, _, labels = selection.train_test_split(
        digits.images, digits.target, test_size=0.2, stratify=digits.target, random_state=record["seed"]
    )
    np.testing.assert_array_equal(held_out.values[:, 0], test)
    np.testing.assert_array_equal(held_out.labels, labels)
    assert len(train) == record["train_images"]
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}


def test_a_part_of_the_images() -> None:
    some, every = bundled_inputs(3), bundled_inputs()
    assert some.values.shape == (3, 1, 8, 8)
    assert some.values.dtype == np.float32
    np.testing.assert_array_equal(some.values, every.values[:3])
    assert list(some.names) == ["digits-test.npz[0]", "digits-test.npz[1]", "digits-test.npz[2]"]


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(NetworkError, match="digits, digits-pruned"):
        bundled_path("nonesuch")
