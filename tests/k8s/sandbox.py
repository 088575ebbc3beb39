"""A container of a rendered pod, run without a cluster: its command, environment and mounts, as its user.

Bubblewrap gives it a root of its own, read-only, with nothing in it but what the image would hold: a Python
with the project's packages at /venv, what the Dockerfile copies at /app, the system's libraries. Python is
process 1 of a process namespace of its own. The network is this machine's: addresses are set to free ports.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from tests.k8s.image import DOCKERFILE, image
from tests.k8s.manifests import Manifest, pod
from tests.k8s.manifests import environment as variables
from tests.k8s.tools import ROOT, found, missing, needed

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
FILES = ("/etc/ld.so.cache", "/etc/ssl", "/etc/hosts", "/etc/nsswitch.conf", "/etc/alternatives")


class Pod:
    """Runs `command` in the image, with `environment` on top of the image's.

    `mounts` maps places in the container to folders, read-only but for those of `writable`.
    """

    def __init__(
        self,
        folder: Path,
        command: list[str],
        environment: dict[str, str],
        mounts: dict[str, Path],
        writable: tuple[str, ...],
    ) -> None:
        self._output = folder / "output"
        self._info = folder / "info"
        self._command = [*_sandbox(), *_mounted(mounts, writable), "--remount-ro", "/"]
        self._command += _environment(environment)
        self._command += ["--", *command]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """All it has printed."""
        return self._output.read_text()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        assert self._process is not None
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process 1, from outside, as the kubelet does."""
        os.kill(json.loads(self._info.read_text())["child-pid"], number)

    def wait(self, timeout_s: float) -> int:
        """Return the exit status that a cluster would see."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def __enter__(self) -> Pod:
        with self._output.open("wb") as output, self._info.open("wb") as info:
            command = [self._command[0], "--info-fd", str(info.fileno()), *self._command[1:]]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={},
                pass_fds=[info.fileno()],
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self.running:
            self._process.kill()  # with it goes all that is in the sandbox
            self._process.wait(10)


def can_run() -> None:
    """Skip the test where there is no bubblewrap, or it may not make namespaces; fails it in CI."""
    needed("tini")  # the image's init
    bwrap = found("bwrap")
    if bwrap is None:
        missing("no bwrap in the PATH: apt-get install bubblewrap")
    elif subprocess.run([*_sandbox(), "--", "/bin/true"], capture_output=True).returncode:
        missing("this machine lets no one make user namespaces")


def _sandbox() -> Iterator[str]:
    """Yield bubblewrap's arguments for the image as user 65532."""
    made = image()
    user, _, group = made.user.partition(":")
    yield from (found("bwrap") or "bwrap", "--die-with-parent", "--new-session", "--clearenv")
    yield from ("--unshare-user", "--uid", user, "--gid", group, "--cap-drop", "ALL")
    yield from ("--unshare-pid", "--as-pid-1", "--unshare-ipc", "--unshare-uts")
    for path in SYSTEM:
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif os.path.isdir(path):
            yield from ("--ro-bind", path, path)
    for path in FILES:
        yield from ("--ro-bind-try", path, path)
    yield from ("--proc", "/proc", "--dev", "/dev", "--ro-bind", sys.prefix, "/venv")
    if not sys.base_prefix.startswith("/usr"):
        yield from ("--ro-bind", sys.base_prefix, sys.base_prefix)
    for source, target in made.copied.items():
        yield from ("--ro-bind", str(ROOT / source), target)
    yield from ("--ro-bind", str(_compiled()), made.environment["NUMBA_CACHE_DIR"])
    for place, file in made.links.items():
        yield from ("--symlink", file, place)
    yield from ("--chdir", made.workdir)


@functools.cache
def _compiled() -> Path:
    """Return a folder of what the Dockerfile compiles, in its environment."""
    made, folder = image().environment, ROOT / ".cache" / "compiled"
    assert "python -m flows.compile" in DOCKERFILE.read_text()
    given = {"NUMBA_CPU_NAME": made["NUMBA_CPU_NAME"], "NUMBA_CACHE_DIR": str(folder)}
    subprocess.run([sys.executable, "-m", "flows.compile"], cwd=ROOT, env=os.environ | given, check=True)
    return folder


def _mounted(mounts: dict[str, Path], writable: tuple[str, ...]) -> Iterator[str]:
    for place, folder in mounts.items():
        yield from ("--bind" if place in writable else "--ro-bind", str(folder), place)


def _environment(given: dict[str, str]) -> Iterator[str]:
    made = image().environment
    path = {"PATH": made["PATH"].replace("$PATH", "/usr/local/bin:/usr/bin:/bin")}
    for name, value in (made | path | given).items():
        yield from ("--setenv", name, value)


def rendered_pod(
    manifests: tuple[Manifest, ...],
    workload: Manifest,
    folder: Path,
    *,
    secrets: dict[str, dict[str, str]],
    number: int = 0,
    environment: dict[str, str],
    hostfile: str = "",
) -> Pod:
    """Return the pod `number` of a workload, with these secrets; its volumes are folders in `folder`.

    `environment` and `hostfile` replace what the manifests say, where addresses have to be this machine's.
    """
    (container,) = pod(workload)["containers"]
    given: dict[str, str] = {}
    for name, value in variables(manifests, container).items():
        if isinstance(value, str):
            given[name] = value
        elif "secretKeyRef" in value:
            given[name] = secrets[value["secretKeyRef"]["name"]][value["secretKeyRef"]["key"]]
        else:
            assert value == {"fieldRef": {"fieldPath": "metadata.name"}}
            given[name] = f"{workload['metadata']['name']}-{number}"
    configured = {volume["name"] for volume in pod(workload)["volumes"] if "configMap" in volume}
    mounts = {mount["mountPath"]: folder / mount["name"] for mount in container["volumeMounts"]}
    for path in mounts.values():
        path.mkdir(parents=True, exist_ok=True)
        if path.name in configured:
            (path / "hostfile.txt").write_text(hostfile)
    writable = tuple(place for place, path in mounts.items() if path.name not in configured)
    command = [*(container.get("command") or image().entrypoint), *container["args"]]
    return Pod(folder, command, given | environment, mounts, writable)
