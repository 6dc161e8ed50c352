"""Check that the wheel and the sdist in a folder carry the licence, and the attribution of what they bundle."""

import sys
import tarfile
import zipfile
from pathlib import Path

folder = Path(sys.argv[1])
(wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
with zipfile.ZipFile(wheel) as archive:
    in_wheel = {name: archive.read(name).decode() for name in archive.namelist() if "/licenses/" in name}
with tarfile.open(sdist) as tar:
    inside = [member for member in tar.getmembers() if member.name.count("/") == 1]
    in_sdist = {member.name: tar.extractfile(member).read().decode() for member in inside if member.isfile()}
for archive_name, files in ((wheel.name, in_wheel), (sdist.name, in_sdist)):
    for name, text in (("LICENSE", "Apache License"), ("NOTICE", "Handwritten Digits")):
        if not any(path.endswith(f"/{name}") and text in content for path, content in files.items()):
            sys.exit(f"{archive_name} has no {name}")
