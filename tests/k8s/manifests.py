"""The rendered overlays, and the questions that tests ask of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import yaml

from tests.k8s.tools import ROOT, needed, run

Manifest = dict[str, Any]

OVERLAYS = ("overlays/laptop", "overlays/production", "overlays/shared")
RENDERED = (*OVERLAYS, "waxctl", "grafana")
COMPONENT = "app.kubernetes.io/component"


@functools.cache
def rendered(folder: str) -> tuple[Manifest, ...]:
    """Return what `kubectl apply -k k8s/FOLDER` would send."""
    tool = needed("kustomize", "kubectl")
    verb = "build" if tool.endswith("kustomize") else "kustomize"
    return tuple(yaml.safe_load_all(run(tool, verb, ROOT / "k8s" / folder)))


def of_kind(manifests: tuple[Manifest, ...], *kinds: str) -> list[Manifest]:
    """Return the manifests of these kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def named(manifests: tuple[Manifest, ...], kind: str, name: str) -> Manifest:
    """Return the one of that kind and name."""
    (one,) = [found for found in of_kind(manifests, kind) if found["metadata"]["name"] == name]
    return one


def workloads(manifests: tuple[Manifest, ...]) -> list[Manifest]:
    """Return all that makes pods."""
    return [manifest for manifest in manifests if "template" in manifest.get("spec", {})]


def labels(workload: Manifest) -> dict[str, str]:
    """Return the labels of a workload's pods."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def pod(workload: Manifest) -> Manifest:
    """Return the specification of a workload's pods."""
    found: Manifest = workload["spec"]["template"]["spec"]
    return found


def containers(manifests: tuple[Manifest, ...]) -> Iterator[tuple[Manifest, Manifest]]:
    """Yield each workload with each of its containers."""
    for workload in workloads(manifests):
        spec = pod(workload)
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            yield workload, container


def environment(manifests: tuple[Manifest, ...], container: Manifest) -> dict[str, Any]:
    """Return a container's variables: the text of each, or the reference it is taken from."""
    found: dict[str, Any] = {}
    for source in container.get("envFrom", []):
        found |= named(manifests, "ConfigMap", source["configMapRef"]["name"])["data"]
    return found | {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def selects(selector: dict[str, str], workload: Manifest) -> bool:
    """Return whether a workload's pods carry all labels of a selector."""
    return selector.items() <= labels(workload).items()


def selected(manifests: tuple[Manifest, ...], selector: dict[str, str]) -> list[str]:
    """Return the names of the workloads whose pods a selector selects."""
    return [found["metadata"]["name"] for found in workloads(manifests) if selects(selector, found)]
