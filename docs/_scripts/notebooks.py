"""Execute the example notebooks in place, so that their outputs are those of this version.

Run it as ``python docs/_scripts/notebooks.py``.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Return a notebook as it is after running it in a folder, without traces of when and where it ran."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata.clear()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


if __name__ == "__main__":
    for file in sorted(EXAMPLES.glob("*.ipynb")):
        nbformat.write(execute(file, EXAMPLES), file)
