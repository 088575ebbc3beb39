"""What k8s/Dockerfile says, as far as it takes to run what it makes without making it."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

from tests.k8s.tools import ROOT

DOCKERFILE = ROOT / "k8s" / "Dockerfile"


@dataclass(frozen=True)
class Image:
    """The last stage: `copied` maps files of the project to places in the image, `links` places to files."""

    base: str
    user: str
    workdir: str
    environment: dict[str, str]
    copied: dict[str, str]
    links: dict[str, str]
    entrypoint: list[str]
    command: list[str]


def image() -> Image:
    """Read the Dockerfile."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    stage = re.split(r"^FROM ", text, flags=re.MULTILINE)[-1]
    base, _, rest = stage.partition("\n")
    steps = [line.split(maxsplit=1) for line in rest.splitlines() if line]
    one = {word: arguments.strip() for word, arguments in steps}
    copies = [arguments.split() for word, arguments in steps if word == "COPY"]
    return Image(
        base=base.strip(),
        user=one["USER"],
        workdir=one["WORKDIR"],
        environment=dict(pair.split("=", 1) for pair in shlex.split(one["ENV"])),
        copied={
            source: f"{one['WORKDIR']}/{source.rpartition('/')[2] if target == '.' else target}"
            for *options, source, target in copies
            if not options
        },
        links={place: file for file, place in re.findall(r"ln -s (\S+) (\S+)", one["RUN"])},
        entrypoint=json.loads(one["ENTRYPOINT"]),
        command=json.loads(one["CMD"]),
    )
