"""Images as a sample: intervals of speed-ups, and how many images are enough."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from click.testing import CliRunner, Result

import cnvlutin2
from cnvlutin2.cli.main import group
from cnvlutin2.errors import ConfigError
from cnvlutin2.network import Inputs, Network, load_inputs, open_network
from cnvlutin2.organisation import load_organisations
from cnvlutin2.results.ratio_interval import ratio_interval, student_quantile
from cnvlutin2.simulation.enough_inputs import FIRST_IMAGES, Enough, enough_inputs, half_width


def call(*arguments: object) -> Result:
    return CliRunner().invoke(group, list(map(str, arguments)))


class TestInterval:
    def test_student_s_quantiles_are_those_of_scipy(self) -> None:
        stats = pytest.importorskip("scipy.stats")
        for freedom in (*range(1, 60), 100, 1000, 10**6):
            assert student_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=1e-5), freedom

    def test_by_hand(self) -> None:
        """Ratio 2; residuals 1, -1, 0; their variance is 1; the standard error 1 / sqrt(3), divided by the mean of 2."""
        low, high = ratio_interval([3, 3, 6], [1, 2, 3]) or (0, 0)
        half = 4.302653 / math.sqrt(3) / 2
        assert (low, high) == pytest.approx((2 - half, 2 + half))

    def test_of_one_there_is_none_and_of_equal_ones_it_is_a_point(self) -> None:
        assert ratio_interval([3], [2]) is None
        assert ratio_interval([6, 6], [3, 3]) == (2, 2)
        assert (ratio_interval([9, 1], [1, 1]) or (1,))[0] == 0  # a speed-up is not negative

    @pytest.mark.parametrize("count", [5, 20, 80])
    def test_it_covers_what_it_says(self, count: int) -> None:
        """2,000 samples of a somewhat skewed population: 95% of the intervals cover its ratio, give or take."""
        rng = np.random.default_rng(count)
        population = (1000 + rng.gamma(8, 75, 20_000)).astype(np.int64)
        dense = 2000
        truth = dense / population.mean()
        covered = 0
        for _ in range(2000):
            sample = rng.choice(population, count).tolist()
            low, high = ratio_interval([dense] * count, sample) or (0, 0)
            covered += low <= truth <= high
        assert 0.92 < covered / 2000 < 0.97

    def test_results_have_it_everywhere(self) -> None:
        network = open_network("digits-pruned")
        (found,) = cnvlutin2.simulate(network, load_inputs(network, limit=12), "cnv", quantised=True).networks
        cycles = found.image_cycles("cnv").astype(float)
        mean, half = cycles.mean(), student_quantile(11) * cycles.std(ddof=1) / math.sqrt(12)
        low, high = found.speedup_interval("cnv") or (0, 0)
        # An interval for the mean of cycles, linearised: dense / mean * (1 -+ half / mean).
        assert (low, high) == pytest.approx([found.speedup("cnv") * (1 - half / mean), found.speedup("cnv") * (1 + half / mean)])
        waited = found.speedup_with_waiting_interval("cnv")
        assert waited is not None
        assert waited[0] < found.costs["cnv"].speedup < waited[1]
        text = call("run", "digits-pruned", "--limit", 12, "-a", "cnv", "--quantised").stdout
        assert f"{low:.3f}..{high:.3f}" in text
        assert f"{waited[0]:.3f}..{waited[1]:.3f}" in text
        (total,) = json.loads(call("run", "digits", "--limit", 1, "-a", "cnv", "--json", "-").stdout)["networks"][0]["totals"]
        assert (total["speedup_interval"], total["speedup_with_waiting_interval"]) == (None, None)


class TestEnough:
    def found(self, within: float, archs: str = "cnv,cnv2-weights") -> tuple[Enough, list[int], Network]:
        network, asked = open_network("digits-pruned"), list[int]()

        def read(count: int) -> Inputs:
            asked.append(count)
            return load_inputs(network, limit=count, draw=0)

        return enough_inputs(network, read, load_organisations(archs), within), asked, network

    def test_it_stops_when_all_speed_ups_are_known_that_well(self) -> None:
        found, asked, network = self.found(0.006)
        assert found.reached
        assert asked == sorted(set(asked))
        assert asked[0] == FIRST_IMAGES < len(found.inputs.values) == asked[-1] < 360
        (last,) = cnvlutin2.simulate(network, found.inputs, "cnv,cnv2-weights", cost=False).networks
        assert max(half_width(last, arch) for arch in ("cnv", "cnv2-weights")) == found.half_width <= 0.006
        (before,) = cnvlutin2.simulate(network, load_inputs(network, limit=asked[-2], draw=0), "cnv,cnv2-weights").networks
        assert max(half_width(before, arch) for arch in ("cnv", "cnv2-weights")) > 0.006

    def test_all_that_there_are_may_be_too_few(self) -> None:
        found, _, _ = self.found(0.0001, "cnv")
        assert (found.reached, len(found.inputs.values)) == (False, 360)

    def test_where_nothing_varies_the_first_are_enough(self) -> None:
        found, asked, _ = self.found(0.001, "dadiannao")
        assert (found.reached, found.half_width, asked) == (True, 0, [FIRST_IMAGES])

    @pytest.mark.parametrize("within", [0, 1, -0.1, math.nan])
    def test_what_is_no_part_is_refused(self, within: float) -> None:
        with pytest.raises(ConfigError, match="no part"):
            self.found(within)

    def test_the_command_runs_what_it_says(self) -> None:
        until = json.loads(call("run", "digits-pruned", "--until", "0.6%", "-a", "cnv", "--draw", 3, "--json", "-").stdout)
        count = len(until["networks"][0]["images"])
        again = json.loads(call("run", "digits-pruned", "--draw", 3, "--limit", count, "-a", "cnv", "--json", "-").stdout)
        assert until == again
        (total,) = until["networks"][0]["totals"]
        low, high = total["speedup_interval"]
        assert (high - low) / 2 <= 0.006 * total["speedup"]
        assert until["networks"][0]["settings"]["drawn"] == {"seed": 3, "from": 360}

    def test_a_limit_is_the_most(self) -> None:
        done = call("run", "digits-pruned", "--until", "0.01%", "--limit", 20, "-a", "cnv", "--summary")
        assert "digits-pruned: 20 images" in done.stdout
        assert "all 20 inputs leave +-" in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("digits", "--until", "0"), "is no part"),
            (("digits", "--until", "1%%"), "is no part"),
            (("digits", "--until", "nan"), "is no part"),
            (("digits", "alexnet", "--until", "1%"), "executed on inputs, which alexnet is not"),
        ],
    )
    def test_bad_input(self, arguments: Sequence[str], said: str) -> None:
        done = call("run", *arguments)
        assert (done.exit_code, said in done.stderr, done.stdout) == (2, True, "")
