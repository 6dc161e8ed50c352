"""Data sets: folders by class, labels by name, and images that are drawn."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from test_inputs import batch, network, photo

from cnvlutin2.cli.main import group
from cnvlutin2.errors import NetworkError
from cnvlutin2.network import load_inputs, open_network


def data_set(folder: Path, classes: dict[str, int]) -> Path:
    seed = 0
    for name, count in classes.items():
        (folder / "set" / name).mkdir(parents=True)
        for i in range(count):
            photo(folder / "set" / name, name=f"{i}.png", seed=(seed := seed + 1))
    return folder / "set"


def labels(found: Any) -> list[int]:
    assert found.labels is not None
    return [int(label) for label in found.labels]


class TestFoldersByClass:
    def test_names_are_classes_in_their_order(self, tmp_path: Path) -> None:
        found = load_inputs(network(tmp_path), [data_set(tmp_path, {"dog": 1, "ant": 2, "cow": 1})], preprocess="none")
        assert [Path(name).parts[-2:] for name in found.names] == [
            *(("ant", "0.png"), ("ant", "1.png"), ("cow", "0.png"), ("dog", "0.png")),
        ]
        assert labels(found) == [0, 0, 1, 2]

    def test_numbers_are_themselves(self, tmp_path: Path) -> None:
        found = load_inputs(network(tmp_path), [data_set(tmp_path, {"3": 1, "10": 2, "0": 1})], preprocess="none")
        by_folder = {Path(name).parts[-2]: label for name, label in zip(found.names, labels(found), strict=True)}
        assert by_folder == {"3": 3, "10": 10, "0": 0}

    def test_a_folder_with_images_of_its_own_is_none(self, tmp_path: Path) -> None:
        folder = data_set(tmp_path, {"a": 1})
        photo(folder, name="top.png")
        found = load_inputs(network(tmp_path), [folder], preprocess="none")
        assert [Path(name).name for name in found.names] == ["top.png"]
        assert found.labels is None

    def test_with_others_classes_are_not_known(self, tmp_path: Path) -> None:
        found = load_inputs(network(tmp_path), [data_set(tmp_path, {"a": 1}), photo(tmp_path)], preprocess="none")
        assert len(found.names) == 2
        assert found.labels is None

    def test_labels_that_are_given_are_taken(self, tmp_path: Path) -> None:
        found = load_inputs(network(tmp_path), [data_set(tmp_path, {"a": 1, "b": 1})], preprocess="none", labels=[3, 2])
        assert labels(found) == [3, 2]

    def test_hidden_and_empty_folders_are_no_classes(self, tmp_path: Path) -> None:
        folder = data_set(tmp_path, {"b": 1, ".a": 1, "aa": 0})
        assert labels(load_inputs(network(tmp_path), [folder], preprocess="none")) == [0]
        empty = data_set(tmp_path / "other", {"x": 0})
        with pytest.raises(NetworkError, match="holds no photo"):
            load_inputs(network(tmp_path), [empty])

    def test_a_run_counts_them(self, tmp_path: Path) -> None:
        net = network(tmp_path)
        folder = data_set(tmp_path, {"0": 2, "3": 1})
        done = CliRunner().invoke(
            group, ["run", str(net.path), "-i", str(folder), "--preprocess", "none", "-a", "cnv", "--json", "-"]
        )
        (found,) = json.loads(done.stdout)["networks"]
        assert found["predictions"]["labels"] == [0, 0, 3]
        right = sum(a == b for a, b in zip(found["predictions"]["classes"], [0, 0, 3], strict=True))
        assert found["accuracy"]["correct"] == right


class TestLabelsByName:
    def images(self, folder: Path) -> list[Path]:
        (folder / "a").mkdir()
        (folder / "b").mkdir()
        return [photo(folder / "a", name="x.png"), photo(folder / "b", name="x.png", seed=1), photo(folder, name="y z.png")]

    @pytest.mark.parametrize(
        "text",
        [
            "y z.png 2\nb/x.png 1\nx.png 0\n",
            "name,label\ny z.png,2\nb/x.png,1\nx.png,0\n",
            '"y z.png", 2\n./b/x.png, 1\n\na/x.png ,0',
        ],
    )
    def test_the_longest_end_of_a_path_decides(self, text: str, tmp_path: Path) -> None:
        paths = self.images(tmp_path)
        (tmp_path / "labels.csv").write_text(text)
        net = network(tmp_path)
        for order in ([0, 1, 2], [2, 0, 1]):
            found = load_inputs(net, [paths[i] for i in order], preprocess="none", labels=tmp_path / "labels.csv")
            assert labels(found) == order
        assert str(tmp_path / "labels.csv") in found.hashes

    def test_rows_of_a_batch_have_names_too(self, tmp_path: Path) -> None:
        path = batch(tmp_path, np.zeros((2, 3, 8, 8), np.float32))
        (tmp_path / "l.txt").write_text("batch.npy[1] 3\nbatch.npy[0] 1\n")
        assert labels(load_inputs(network(tmp_path), [path], labels=tmp_path / "l.txt")) == [1, 3]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("x.png 0\n", "holds no label for .*y z.png"),
            ("x.png 0\nx.png 1\ny z.png 2\n", "cannot be read as labels"),
            ("x.png zero\ny z.png one\n", "cannot be read as labels"),
            ("x.png 0\ny z.png -1\n", "negative labels"),
            ("x.png\ny z.png\n", "cannot be read as labels"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, text: str, said: str, tmp_path: Path) -> None:
        paths = self.images(tmp_path)
        (tmp_path / "l.txt").write_text(text)
        with pytest.raises(NetworkError, match=said) as found:
            load_inputs(network(tmp_path), paths, preprocess="none", labels=tmp_path / "l.txt")
        assert "l.txt" in str(found.value)


class TestDrawn:
    def test_each_image_once_whatever_it_lies_in(self, tmp_path: Path) -> None:
        values = np.arange(5 * 192, dtype=np.float32).reshape(5, 3, 8, 8)
        paths = [batch(tmp_path, values), *(photo(tmp_path, name=f"{i}.png", seed=i) for i in range(4))]
        net = network(tmp_path)
        plain = load_inputs(net, paths, preprocess="none", labels=range(9))
        drawn = load_inputs(net, paths, preprocess="none", labels=range(9), draw=0)
        assert sorted(drawn.names) == sorted(plain.names) != list(drawn.names)
        for name, value, label in zip(drawn.names, drawn.values, labels(drawn), strict=True):
            at = list(plain.names).index(name)
            assert label == at
            assert np.array_equal(value, plain.values[at])
        assert drawn.settings["drawn"] == {"seed": 0, "from": 9}
        assert drawn.hashes == plain.hashes

    def test_less_are_the_first_of_them_and_only_these_are_read(self, tmp_path: Path) -> None:
        net = network(tmp_path)
        folder = data_set(tmp_path, {"0": 3, "1": 3})
        whole, some = (load_inputs(net, [folder], preprocess="none", draw=4, limit=limit) for limit in (None, 2))
        assert list(some.names) == list(whole.names)[:2]
        assert labels(some) == labels(whole)[:2]
        assert [int(Path(name).parts[-2]) for name in whole.names] == labels(whole)
        for name in whole.names[2:]:
            Path(name).write_bytes(b"")
        assert np.array_equal(load_inputs(net, [folder], preprocess="none", draw=4, limit=2).values, some.values)

    def test_the_seed_decides(self) -> None:
        net = open_network("digits")
        drawn = [load_inputs(net, limit=20, draw=seed) for seed in (1, 1, 2)]
        assert list(drawn[0].names) == list(drawn[1].names) != list(drawn[2].names)
        own = load_inputs(net)
        for name, label in zip(drawn[0].names, labels(drawn[0]), strict=True):
            assert label == labels(own)[list(own.names).index(name)]

    def test_labels_must_be_there_for_all_that_is_drawn_from(self, tmp_path: Path) -> None:
        path = batch(tmp_path, np.zeros((6, 3, 8, 8), np.float32))
        with pytest.raises(NetworkError, match="holds 2 labels for more images, of which some are drawn"):
            load_inputs(network(tmp_path), [path], labels=[0, 1], draw=0, limit=4)

    def test_no_warning_is_for_others(self, tmp_path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_inputs(network(tmp_path), [data_set(tmp_path, {"a": 1})], preprocess="none")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
    def test_a_pipe_in_a_class_is_passed_over(self, tmp_path: Path) -> None:
        folder = data_set(tmp_path, {"a": 1})
        os.mkfifo(folder / "a" / "pipe.png")
        assert len(load_inputs(network(tmp_path), [folder], preprocess="none").names) == 1
