"""Print the lowest versions that a project declares, as pip constraints."""

import re
import sys
import tomllib
from pathlib import Path

for requirement in tomllib.loads(Path(sys.argv[1]).read_text())["project"]["dependencies"]:
    found = re.fullmatch(r"([\w.-]+)>=([\w.]+)", requirement)
    if found is None:
        sys.exit(f"cannot read the lower bound of {requirement!r}: write NAME>=VERSION")
    print("==".join(found.groups()))
