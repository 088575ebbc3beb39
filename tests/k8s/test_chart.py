"""What is given to Bytewax's Helm chart, compared with what the chart is known to take."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from flows.settings import Settings
from tests.k8s.manifests import named, of_kind, pod, rendered
from tests.k8s.test_manifests import known_variables
from tests.k8s.tools import ROOT

# The chart's values (from its documentation and templates) that are used here.
TAKEN = {
    "image": {"repository", "tag", "pullPolicy"},
    "podSecurityContext": None,
    "securityContext": None,
    "resources": None,
    "api": {"enabled", "port"},
    "configuration": {"processesCount", "workersPerProcess", "keepAlive", "jobMode", "recovery"},
    "env": None,
    "envFromSecrets": None,
}
# Those of waxctl's help that the guide uses.
FLAGS = {"--name", "--namespace", "-n", "--create-namespace", "--processes", "--chart-values-file", "--yes"}
FLAGS |= {"--image-repository", "--image-tag", "--image-pull-policy"}
# Where a container of the chart may write: its root is read-only, and it gets no /tmp.
WRITABLE = "/var/bytewax/"


@pytest.fixture
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "k8s" / "waxctl" / "values.yaml").read_text())
    return found


def test_the_chart_takes_every_value(values: dict[str, Any]) -> None:
    assert set(values) <= set(TAKEN)
    for name, keys in TAKEN.items():
        assert keys is None or set(values[name]) <= keys, name


def test_the_image_is_that_of_production(values: dict[str, Any]) -> None:
    flow = named(rendered("overlays/production"), "StatefulSet", "clicks")
    image = f"{values['image']['repository']}:{values['image']['tag']}"
    assert image == pod(flow)["containers"][0]["image"]
    (dashboard,) = of_kind(rendered("waxctl"), "Deployment")
    assert image == pod(dashboard)["containers"][0]["image"]


def test_pods_of_the_chart_meet_the_restricted_standard(values: dict[str, Any]) -> None:
    flow = named(rendered("overlays/production"), "StatefulSet", "clicks")
    wanted = pod(flow)["securityContext"]
    del wanted["fsGroupChangePolicy"]
    assert values["podSecurityContext"] == wanted
    # Lists replace those of the chart, which adds a capability.
    assert values["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": []}
    assert values["securityContext"]["readOnlyRootFilesystem"] is True
    assert values["securityContext"]["allowPrivilegeEscalation"] is False
    assert values["api"]["enabled"] is False, "its sidecar has no security settings"


def test_the_flow_knows_the_variables_and_can_write_its_state(values: dict[str, Any]) -> None:
    given = {name: str(value) for name, value in values["env"].items()}
    assert {name for name in given if not name.startswith("KAFKA_")} <= known_variables()
    assert str(Settings.from_env(given).state_dir).startswith(WRITABLE)
    assert values["configuration"]["recovery"] == {"enabled": False}
    assert values["configuration"]["keepAlive"] is False, "the exit status is to be seen"
    assert [secret["name"] for secret in values["envFromSecrets"]] == ["redis", "kafka"]


def test_the_process_port_of_the_charts_pods_is_theirs_alone() -> None:
    (policy,) = [
        found for found in of_kind(rendered("waxctl"), "NetworkPolicy") if found["metadata"]["name"] == "flow"
    ]
    release = {"matchLabels": {"bytewax.io/dataflow-info": "clicks"}}
    assert policy["spec"]["podSelector"] == release
    opened = {port["port"]: rule["from"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    assert opened[9999] == [{"podSelector": release}]


def test_the_guide_uses_flags_that_waxctl_has() -> None:
    guide = (ROOT / "k8s" / "README.md").read_text().replace("\\\n", " ")
    lines = [line.split() for line in guide.splitlines() if line.lstrip().startswith("waxctl")]
    assert [line[1:3] for line in lines] == [["dataflow", verb] for verb in ("deploy", "ls", "rm")]
    used = {word.partition("=")[0] for line in lines for word in line if word.startswith("-")}
    assert used <= FLAGS
