"""The example for cocotb runs where cocotb and Icarus Verilog are installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cnvlutin2

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "with_cocotb" / "layer_on_node.py"


@pytest.mark.skipif(importlib.util.find_spec("cocotb") is None, reason="cocotb is not installed")
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed: install the package iverilog")
def test_a_layer_runs_under_cocotb(tmp_path: Path) -> None:
    sources = str(Path(cnvlutin2.__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([sources, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(EXAMPLE)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "conv3_1: 16 windows, 693 cycles, 128 outputs, all as the model has them" in done.stdout
