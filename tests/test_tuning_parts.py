"""The parts of the search for thresholds: losses, intervals, the order of moves, the table of cycles, limits, the split."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cnvlutin2
from cnvlutin2.errors import Cnvlutin2Warning, ConfigError
from cnvlutin2.network import Inputs, Layer
from cnvlutin2.organisation import preset, with_overrides
from cnvlutin2.tuning.answers import FloatAnswers, Verdict
from cnvlutin2.tuning.cycle_table import CycleTable, Group
from cnvlutin2.tuning.image_split import as_share, digest, some_images, split_images
from cnvlutin2.tuning.limits import Limit, chosen_limits
from cnvlutin2.tuning.moves import State, best_moves
from cnvlutin2.tuning.proportions import lost_text, wilson_interval


def scores(*probabilities: tuple[float, ...]) -> NDArray[Any]:
    """Scores whose softmax these are."""
    return np.asarray(np.log(np.array(probabilities)) + 3, np.float32)


class TestAnswers:
    def test_divergence_is_that_of_the_softmax(self) -> None:
        answers = FloatAnswers(scores((0.5, 0.5), (0.9, 0.1)), None)
        assert answers.kind == "kl"
        found = answers.loss(scores((0.25, 0.75), (0.9, 0.1)))
        assert found == pytest.approx([0.5 * math.log(2) + 0.5 * math.log(2 / 3), 0], abs=1e-6)

    def test_of_a_network_that_ends_with_a_softmax_too(self) -> None:
        answers = FloatAnswers(np.array([[0.5, 0.5], [1, 0]], np.float32), None)
        found = answers.loss(np.array([[0.25, 0.75], [0.5, 0.5]], np.float32))
        assert found == pytest.approx([0.5 * math.log(4 / 3), math.log(2)], abs=1e-6)

    def test_scores_of_any_size_are_finite(self) -> None:
        answers = FloatAnswers(np.array([[1e4, -1e4, 0]], np.float32), None)
        assert answers.loss(np.array([[-1e4, 1e4, 0]], np.float32)) == pytest.approx([2e4])

    def test_an_output_that_is_no_scores_has_an_error(self) -> None:
        exact = np.array([[[3.0, 4.0]], [[0.0, 0.0]]], np.float32)
        answers = FloatAnswers(exact, np.array([0, 1]))
        assert (answers.kind, answers.labelled, answers.correct) == ("error", False, None)
        assert answers.loss(exact + np.array([[[0, 1.0]], [[3.0, 4.0]]])) == pytest.approx([0.2, 5.0])
        assert answers.judge(exact) == Verdict(2, 0.0)

    def test_pairs_are_counted_by_their_labels(self) -> None:
        right, wrong = (0.9, 0.1), (0.2, 0.8)
        answers = FloatAnswers(scores(right, right, right, wrong), np.array([0, 0, 0, 0]))
        assert answers.correct == 3
        found = answers.judge(scores(right, wrong, wrong, right))
        assert (found.images, found.agree, found.correct, found.lost, found.won) == (4, 1, 2, 2, 1)
        assert found.drop == 25

    def test_without_labels_floating_point_is_right(self) -> None:
        answers = FloatAnswers(scores((0.9, 0.1), (0.2, 0.8)), None)
        found = answers.judge(scores((0.1, 0.9), (0.2, 0.8)))
        assert (found.agree, found.correct, found.lost, found.won, found.drop) == (1, None, 1, 0, 50)

    def test_some_of_the_images(self) -> None:
        answers = FloatAnswers(scores((0.9, 0.1), (0.2, 0.8), (0.6, 0.4)), np.array([0, 0, 1]))
        some = answers.images(np.array([2, 0]))
        found = some.judge(scores((0.6, 0.4), (0.1, 0.9)))
        assert (found.images, found.agree, found.correct, found.lost, found.won) == (2, 1, 0, 1, 0)
        assert found.loss == pytest.approx((0.9 * math.log(9) + 0.1 * math.log(1 / 9)) / 2, abs=1e-6)


class TestProportions:
    @pytest.mark.parametrize(
        ("count", "images", "low", "high"),
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
    )
    def test_wilson_s_interval_as_published(self, count: int, images: int, low: float, high: float) -> None:
        assert wilson_interval(count, images) == pytest.approx((low, high), abs=5e-5)

    def test_none_lost_is_not_none_in_all(self) -> None:
        assert "0 of 240 lost is compatible with a loss of up to 0.013 of all images (3/n)" in lost_text(0, 240)
        assert "2 of 240 lost: 0.23% to 2.99%" in lost_text(2, 240)
        assert "up to 1 of all" in lost_text(0, 2)


def group(name: str, *cycles: int) -> Group:
    return Group(name, "activations", (name,), tuple(1 << i for i in range(len(cycles))), cycles)


class TestMoves:
    def test_moves_go_by_cycles_a_unit_of_loss(self) -> None:
        """Losses that add: 1 and 4 for a, 2 and 2 for b; 10 and 10 cycles are saved by a, 10 and 30 by b."""
        groups, costs = [group("a", 100, 90, 80), group("b", 100, 90, 60)], [(0.0, 1.0, 5.0), (0.0, 2.0, 4.0)]
        seen = list(best_moves(groups, lambda state: sum(cost[at] for cost, at in zip(costs, state, strict=True))))
        assert [(index, state) for index, state, _ in seen] == [(0, (1, 0)), (1, (1, 1)), (1, (1, 2)), (0, (2, 2))]
        assert [loss for *_, loss in seen] == [1, 3, 5, 9]

    def test_what_costs_nothing_comes_first_and_the_most_of_it_before(self) -> None:
        groups = [group("a", 100, 99), group("b", 100, 50), group("c", 100, 0)]
        loss = {0: 0.0, 1: 0.0, 2: 1.0}
        seen = [index for index, *_ in best_moves(groups, lambda state: sum(loss[i] for i, at in enumerate(state) if at))]
        assert seen == [1, 0, 2]

    @pytest.mark.parametrize("seed", range(8))
    def test_lazily_is_the_same_as_looking_at_all_where_losses_grow_alike(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        groups = [group(str(i), *np.sort(rng.choice(1000, 6, replace=False))[::-1].tolist()) for i in range(5)]
        costs = [np.concatenate([[0], rng.random(5).cumsum()]) for _ in groups]
        looked_at: list[State] = []

        def loss(state: State) -> float:
            looked_at.append(state)
            return float(sum(cost[at] for cost, at in zip(costs, state, strict=True))) ** 2

        lazy = [state for _, state, _ in best_moves(groups, loss)]
        count = len(looked_at)
        eager: list[State] = []
        at: State = (0,) * 5
        while moves := [i for i in range(5) if at[i] + 1 < 6]:
            now = loss(at)
            ranked = []
            for i in moves:
                then = tuple(k + (j == i) for j, k in enumerate(at))
                saved = groups[i].cycles[at[i]] - groups[i].cycles[then[i]]
                ranked.append((-saved / max(loss(then) - now, 1e-9), i, then))
            at = min(ranked)[2]
            eager.append(at)
        assert len(lazy) == len(eager) == 25
        assert all(sum(b) == sum(a) + 1 and all(x <= y for x, y in zip(a, b, strict=True)) for a, b in pairwise(lazy))
        same = sum(one == other for one, other in zip(lazy, eager, strict=True))
        assert same >= 13  # an order that looks at nothing again agrees in fewer
        assert count < (len(looked_at) - count)

    def test_of_nothing_there_is_no_move(self) -> None:
        assert list(best_moves([], lambda _state: 0.0)) == []


def layers() -> list[Layer]:
    rng = np.random.default_rng(5)

    def some(name: str, channels: int, **options: object) -> Layer:
        maps = np.maximum(rng.integers(-400, 400, (3, channels, 6, 6)), 0).astype(np.int16)
        return Layer(name, maps, rng.integers(-9, 9, (16, channels, 3, 3)).astype(np.int16), **options)  # type: ignore[arg-type]

    return [some("first", 32, first=True), some("thin", 16), some("wide", 64), some("deep", 48)]


class TestCycleTable:
    @pytest.mark.parametrize("arch", ["cnv", "cnv2-weights"])
    def test_it_holds_what_a_simulation_of_each_layer_finds(self, arch: str) -> None:
        organisation = preset(arch)
        table = CycleTable.count(layers(), organisation, weights=True)
        assert table.cycles == sum(cycles[0] for cycles in table.activations.values())
        for layer in layers():
            for power in (0, 3, 8, 15):
                (one,) = cnvlutin2.simulate(layer, None, organisation, thresholds=1 << power, cost=False).networks
                assert table.activations[layer.name][power] == one.image_cycles(arch).sum(), (layer.name, power)
                (one,) = cnvlutin2.simulate(layer, None, organisation, weight_thresholds=1 << power, cost=False).networks
                assert table.weights[layer.name][power] == one.image_cycles(arch).sum(), (layer.name, power)
        (whole,) = cnvlutin2.simulate(layers(), None, organisation, cost=False).networks
        assert table.dense_cycles == whole.dense_cycles(arch) * 3
        assert table.dense_cycles / table.cycles == whole.speedup(arch)

    def test_what_cannot_gain_is_frozen(self) -> None:
        table = CycleTable.count(layers(), preset("cnv"), weights=False)
        assert set(table.frozen()) == {"first", "thin"}  # one runs dense, of the other each lane has one channel
        assert table.frozen()["first"] == "runs dense"
        assert [each.name for each in table.groups([])] == ["wide", "deep"]
        least = sum(min(cycles) for cycles in table.activations.values())
        assert table.ceiling() == table.dense_cycles / least
        for each in table.groups([]):
            assert all(b < a for a, b in pairwise(each.cycles))
            assert each.thresholds[0] == 1

    def test_where_nothing_is_skipped_nothing_moves(self) -> None:
        table = CycleTable.count(layers(), preset("dadiannao"), weights=False)
        assert len(table.frozen()) == 4
        assert table.groups([]) == []
        assert table.ceiling() == 1

    def test_batches_add_up(self) -> None:
        whole = CycleTable.count(layers(), preset("cnv"), weights=False)
        parts = CycleTable.count([layer.image(i) for i in range(3) for layer in layers()], preset("cnv"), weights=False)
        assert (parts.activations, parts.dense_cycles) == (whole.activations, whole.dense_cycles)

    def test_a_layer_that_chooses_runs_the_faster_way(self) -> None:
        auto = with_overrides(preset("cnv"), ["layer_mode=auto", "encoder_values_per_cycle=0"])
        table = CycleTable.count(layers(), auto, weights=False)
        (found,) = cnvlutin2.simulate(layers(), None, auto, cost=False).networks
        assert table.cycles == found.image_cycles("cnv").sum()

    def test_layers_of_a_pattern_move_together(self) -> None:
        table = CycleTable.count(layers(), preset("cnv2-dispatch"), weights=False)
        alone, together = table.groups(["[wd]*"])
        assert (alone.name, alone.layers) == ("first", ("first",))
        assert (together.name, together.layers) == ("[wd]*", ("wide", "deep"))
        assert together.cycles[0] == table.activations["wide"][0] + table.activations["deep"][0]
        with pytest.raises(ConfigError, match="'x' matches no layer; the layers are first, thin, wide, deep"):
            table.groups(["x"])
        with pytest.raises(ConfigError, match=r"layer 'wide' is in the groups 'w\*' and '\*d\*'"):
            table.groups(["w*", "*d*"])


class TestLimits:
    def verdict(self, lost: int, won: int = 0, loss: float = 0.5) -> Verdict:
        return Verdict(200, loss, 200 - lost - won, None, lost, won)

    def test_a_drop_is_of_pairs(self) -> None:
        limit = Limit("drop", 1.0)
        assert [limit.allows(self.verdict(*pair)) for pair in ((0, 0), (2, 0), (3, 0), (3, 1))] == [True, True, False, True]
        assert Limit("drop", 0).allows(self.verdict(4, 4))
        assert not Limit("drop", 0).allows(Verdict(3, 0.0))

    def test_others_are_of_the_loss(self) -> None:
        assert Limit("kl", 0.5).allows(self.verdict(9))
        assert not Limit("kl", 0.49).allows(self.verdict(0))

    @pytest.mark.parametrize(("kind", "value"), [("drop", -1), ("drop", math.nan), ("kl", math.inf), ("drop", 100)])
    def test_what_is_no_limit_is_refused(self, kind: str, value: float) -> None:
        with pytest.raises(ConfigError):
            Limit(kind, value)  # type: ignore[arg-type]

    def test_what_is_usual(self) -> None:
        classifies = FloatAnswers(scores((0.9, 0.1)), None)
        other = FloatAnswers(np.ones((1, 3, 4), np.float32), None)
        assert chosen_limits([], None, classifies, 10) == [Limit("drop", 0.0)]
        assert chosen_limits([0, 10, 10], None, classifies, 10) == [Limit("drop", 0), Limit("drop", 10)]
        assert chosen_limits([], 0.25, classifies, 10) == [Limit("kl", 0.25)]
        assert chosen_limits([], None, other, 10) == [Limit("error", 0.01)]
        assert chosen_limits([], 0.25, other, 10) == [Limit("error", 0.25)]
        with pytest.raises(ConfigError, match="not both"):
            chosen_limits([1], 0.25, classifies, 10)
        with pytest.raises(ConfigError, match="no scores of classes"):
            chosen_limits([1], None, other, 10)

    def test_a_limit_finer_than_an_image_warns(self) -> None:
        answers = FloatAnswers(scores((0.9, 0.1)), None)
        with pytest.warns(Cnvlutin2Warning, match=r"a drop of 0.5% is finer than one of 120 tuning images \(0.83%\)"):
            chosen_limits([0.5], None, answers, 120)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            chosen_limits([0, 1], None, answers, 100)


class TestSplit:
    def images(self, count: int) -> Inputs:
        values = np.arange(count, dtype=np.float32)[:, None]
        return Inputs(values, [f"i{i}" for i in range(count)], {"f": "0" * 64}, np.arange(count))

    def test_every_image_is_on_one_side(self) -> None:
        tuning, validation = split_images(self.images(30), Fraction(1, 3), 0)
        assert (len(tuning.values), len(validation.values)) == (10, 20)
        both = np.concatenate([tuning.values, validation.values]).ravel()
        assert sorted(both) == list(range(30))
        for side in (tuning, validation):
            assert side.labels is not None
            assert side.labels.tolist() == side.values.ravel().tolist()
            assert list(side.names) == [f"i{int(v)}" for v in side.values.ravel()]

    def test_the_seed_decides(self) -> None:
        one, again, other = (split_images(self.images(30), Fraction(1, 3), seed)[0] for seed in (0, 0, 1))
        assert digest(one) == digest(again) != digest(other)
        assert digest(one) != digest(some_images(one, range(9)))

    @pytest.mark.parametrize("split", ["0", "1", "2/1", "x", "1/0", "-1/3", "nan"])
    def test_what_is_no_part_is_refused(self, split: str) -> None:
        with pytest.raises(ConfigError, match="is no part of the images"):
            as_share(split)

    def test_parts(self) -> None:
        assert (as_share("1/3"), as_share(0.25), as_share("0.25")) == (Fraction(1, 3), Fraction(1, 4), Fraction(1, 4))
        assert [len(side.values) for side in split_images(self.images(2), Fraction(9, 10), 0)] == [1, 1]
        with pytest.raises(ConfigError, match="one image cannot be split"):
            split_images(self.images(1), Fraction(1, 2), 0)
