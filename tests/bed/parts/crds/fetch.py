"""Copies the files that `sources` names out of Go modules: fetch.py FOLDER.

CRDs go to FOLDER/crds.yaml, all together; other files keep their paths below FOLDER.
From the modules' zip files, because a module may ask for a newer Go than there is to be
unpacked as one.
"""

import fnmatch
import json
import pathlib
import subprocess
import sys
import zipfile

folder = pathlib.Path(sys.argv[1])
definitions = []
for line in (pathlib.Path(__file__).parent / "sources").read_text().splitlines():
    if line.startswith("#") or not line:
        continue
    module, version, wanted, pattern = line.split()
    answer = subprocess.run(
        ["go", "mod", "download", "-json", f"{module}@{version}"],
        stdout=subprocess.PIPE,
        cwd="/",
        check=False,
    )
    found = json.loads(answer.stdout)
    if "Zip" not in found:
        sys.exit(f"{module}@{version}: {found.get('Error', 'not found')}")
    if found["Sum"] != wanted:
        sys.exit(f"{module}@{version} is {found['Sum']}, not the pinned {wanted}")
    count = 0
    with zipfile.ZipFile(found["Zip"]) as archive:
        for name in sorted(archive.namelist()):
            path = name.removeprefix(f"{module}@{version}/")
            if not fnmatch.fnmatch(path, pattern) or "/testdata/" in path:
                continue
            text = archive.read(name).decode()
            count += 1
            if "kind: CustomResourceDefinition" in text:
                definitions.append(text)
            else:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text)
    if count == 0:
        sys.exit(f"{module}@{version} has no {pattern}")
(folder / "crds.yaml").write_text("\n---\n".join(definitions))
