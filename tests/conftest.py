"""Fixtures and settings that all tests share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Page, chromium, find_chromium
from hands import NETWORK, organisations
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator
from report_layers import hostile_layers, random_layer

from cnvlutin2 import simulate
from cnvlutin2.network import ArrayNetwork
from cnvlutin2.report import write_report
from cnvlutin2.report.viewer import TraceCollector
from cnvlutin2.results import Results, json_schema

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before some test imports onnxruntime

# The same examples on every run and machine; no deadline, for the machine may be busy.
settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("deterministic")

RUNS_CHECKED = 100
"""Runs of a document that are held against the schema; all have the keys of these."""

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of vectors, models and photographs beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED.name!r} with vectors and models beside the repository")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _results_follow_their_schema() -> Iterator[None]:
    """Hold whatever a test makes of results, on its way to JSON too, against the schema."""
    validator, to_dict = Draft202012Validator(json_schema()), Results.to_dict

    def checked(self: Results) -> dict[str, Any]:
        found = to_dict(self)
        step = 1 + len(found["runs"]) // RUNS_CHECKED
        validator.validate(json.loads(json.dumps({**found, "runs": found["runs"][::step]}, allow_nan=False)))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Results, "to_dict", checked)
        yield


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium: install the package chromium, or name a browser in the variable CHROMIUM")
    with chromium(executable, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks: one of hostile names and every kind of layer, one ordinary."""
    collector = TraceCollector()
    networks = [ArrayNetwork(hostile_layers(), NETWORK), ArrayNetwork([random_layer("conv", 32)], "ordinary")]
    found = [
        simulate(network, None, organisations(), observers=[collector.network(network.name)]).networks[0] for network in networks
    ]
    results = Results(found, {o.name: o for o in organisations()}, {"note": "<b>bold</b>"})
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(results, path, trace=collector.data(), command=f"cnvlutin2 run '{NETWORK}'")
    return path


@pytest.fixture
def opened(page: Page, report: Path) -> Page:
    """The report on a desk's screen, in light colours."""
    page.size(1280, 900)
    page.colours("light")
    page.open(report)
    return page
