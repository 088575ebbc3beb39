"""Every manifest against the schemas of Kubernetes, and against what this project promises of its pods."""

from __future__ import annotations

import json
import re
from pathlib import Path

import bytewax.run
import kubernetes_validate
import pytest
from bytewax import _bytewax
from confluent_kafka import Consumer

from flows.kafka.config import consumer_config
from flows.settings import Settings
from tests.k8s.manifests import (
    COMPONENT,
    OVERLAYS,
    RENDERED,
    Manifest,
    containers,
    environment,
    labels,
    named,
    of_kind,
    pod,
    rendered,
    selected,
    workloads,
)
from tests.k8s.tools import ROOT

VERSIONS = ("1.30", "1.37")
OPERATOR = "monitoring.coreos.com/v1"
FLOW = {"app.kubernetes.io/name": "clicks", COMPONENT: "flow"}
PROCESS_PORT = 9999
SERVER_VARIABLES = [f"BYTEWAX_DATAFLOW_API_{name}" for name in ("ENABLED", "PORT", "CACHE_PATH")]


@pytest.fixture(params=RENDERED)
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """Return each rendered folder in turn."""
    return rendered(request.param)


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """Return each overlay with a flow of its own in turn."""
    return rendered(request.param)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_kubernetes_accept_it(manifests: tuple[Manifest, ...], version: str) -> None:
    for manifest in manifests:
        if manifest["apiVersion"] != OPERATOR:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_field_would_be_noticed() -> None:
    service = named(rendered("overlays/production"), "Service", "clicks")
    wrong = service | {"spec": service["spec"] | {"publishNotReadyAddress": True}}
    with pytest.raises(kubernetes_validate.ValidationError, match="publishNotReadyAddress"):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_the_service_monitor_finds_the_flow() -> None:
    # Its fields by name, since no package that is fit for a test has the operator's schemas; those of
    # PrometheusRule are the rule file that promtool checks.
    manifests = rendered("overlays/production")
    monitor = named(manifests, "ServiceMonitor", "flow")["spec"]
    (endpoint,) = monitor["endpoints"]
    assert set(monitor) == {"selector", "endpoints"}
    assert set(endpoint) == {"port", "path", "interval", "scrapeTimeout"}
    wanted = monitor["selector"]["matchLabels"].items()
    services = of_kind(manifests, "Service")
    (service,) = [found for found in services if wanted <= found["metadata"]["labels"].items()]
    assert service["metadata"]["name"] == "clicks"
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]


def test_grafana_finds_its_dashboard() -> None:
    (board,) = rendered("grafana")
    assert board["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert json.loads(board["data"]["clicks.json"])["panels"]


def test_no_container_has_more_rights_than_it_needs(manifests: tuple[Manifest, ...]) -> None:
    for workload, container in containers(manifests):
        spec = pod(workload)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & set(spec)
        assert not [volume for volume in spec.get("volumes", []) if "hostPath" in volume]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_every_container_has_probes_and_resources(manifests: tuple[Manifest, ...]) -> None:
    for _, container in containers(manifests):
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            action = container[probe].get("httpGet") or container[probe].get("tcpSocket")
            assert container[probe].get("exec") or action["port"] in ports
        assert container["imagePullPolicy"] == "IfNotPresent"
        assert set(container["resources"]["requests"]) == {"cpu", "memory", "ephemeral-storage"}
        # A limit of CPU makes boards late.
        assert set(container["resources"]["limits"]) == {"memory", "ephemeral-storage"}


@pytest.mark.parametrize("folder", ["overlays/laptop", "overlays/production", "overlays/shared", "waxctl"])
def test_the_namespace_is_closed(folder: str) -> None:
    manifests = rendered(folder)
    [namespace] = of_kind(manifests, "Namespace")
    assert namespace["metadata"]["labels"] == {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "v1.30",
    }
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in of_kind(manifests, "NetworkPolicy")}
    assert policies["deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in policies.values():
        for rule in [*policy.get("ingress", []), *policy.get("egress", [])]:
            assert all(port.get("protocol") in ("TCP", "UDP") for port in rule.get("ports", []))


def test_flow_and_dashboard_are_one_image_of_a_named_version(overlay: tuple[Manifest, ...]) -> None:
    images = {
        container["image"]
        for workload, container in containers(overlay)
        if labels(workload)["app.kubernetes.io/name"] == "clicks"
    }
    (image,) = images
    assert image.rpartition(":")[2] not in ("", "latest")
    assert image.rpartition(":")[0]


def test_selectors_and_ports_lead_to_pods(manifests: tuple[Manifest, ...]) -> None:
    for workload in workloads(manifests):
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels(workload).items()
    for service in of_kind(manifests, "Service"):
        (name,) = selected(manifests, service["spec"]["selector"])
        (target,) = [found for found in workloads(manifests) if found["metadata"]["name"] == name]
        ports = {port["name"] for container in pod(target)["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        assert len(selected(manifests, budget["spec"]["selector"]["matchLabels"])) == 1


def test_what_pods_refer_to_is_there(manifests: tuple[Manifest, ...]) -> None:
    for workload, container in containers(manifests):
        volumes = {volume["name"] for volume in pod(workload).get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
        for volume in pod(workload).get("volumes", []):
            if "configMap" in volume:
                named(manifests, "ConfigMap", volume["configMap"]["name"])


def test_the_hostfile_names_every_process(overlay: tuple[Manifest, ...]) -> None:
    flow = named(overlay, "StatefulSet", "clicks")
    service = named(overlay, "Service", flow["spec"]["serviceName"])
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    (volume,) = [volume for volume in pod(flow)["volumes"] if volume["name"] == "processes"]
    hostfile = named(overlay, "ConfigMap", volume["configMap"]["name"])["data"]["hostfile.txt"]
    host = "clicks-{}.clicks.{}.svc.cluster.local:{}"
    namespace = flow["metadata"]["namespace"]
    replicas = range(flow["spec"]["replicas"])
    assert hostfile.split() == [host.format(number, namespace, PROCESS_PORT) for number in replicas]


def test_processes_start_and_are_replaced_together(overlay: tuple[Manifest, ...]) -> None:
    flow = named(overlay, "StatefulSet", "clicks")["spec"]
    assert flow["podManagementPolicy"] == "Parallel"
    assert flow["updateStrategy"] == {"type": "OnDelete"}


@pytest.mark.parametrize("folder", ["overlays/laptop", "overlays/production"])
def test_state_is_on_a_claim_of_each_pod(folder: str) -> None:
    flow = named(rendered(folder), "StatefulSet", "clicks")
    (claim,) = flow["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert mounted(folder, "CLICKS_STATE_DIR") == claim["metadata"]["name"]


def test_state_may_be_on_one_claim_of_all_pods() -> None:
    manifests = rendered("overlays/shared")
    flow = named(manifests, "StatefulSet", "clicks")
    assert "volumeClaimTemplates" not in flow["spec"]
    name = mounted("overlays/shared", "CLICKS_STATE_DIR")
    (volume,) = [volume for volume in pod(flow)["volumes"] if volume["name"] == name]
    claim = named(manifests, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def mounted(folder: str, variable: str) -> str:
    """Return the name of the volume that a variable of the flow leads to."""
    (container,) = pod(named(rendered(folder), "StatefulSet", "clicks"))["containers"]
    places = {mount["mountPath"]: str(mount["name"]) for mount in container["volumeMounts"]}
    return places[environment(rendered(folder), container)[variable]]


def test_no_secret_is_written_down(manifests: tuple[Manifest, ...]) -> None:
    for _, container in containers(manifests):
        for name, value in environment(manifests, container).items() if "env" in container else ():
            if re.search("PASSWORD|SECRET|TOKEN|USERNAME|REDIS_URL", name):
                assert value["secretKeyRef"]["key"] == name
            else:
                assert "@" not in str(value)
    for secret in of_kind(manifests, "Secret"):
        assert secret["data"] == {"REDIS_URL": "cmVkaXM6Ly92YWxrZXk6NjM3OS8w"}, "redis://valkey:6379/0"


def test_the_dashboard_can_only_read(overlay: tuple[Manifest, ...]) -> None:
    urls = {
        labels(workload)[COMPONENT]: environment(overlay, container)["REDIS_URL"]["secretKeyRef"]["name"]
        for workload, container in containers(overlay)
        if "env" in container
    }
    assert set(urls) == {"flow", "dashboard"}
    assert urls["flow"] != urls["dashboard"]


def known_variables() -> set[str]:
    """Return what the flow and Bytewax read, from their sources."""
    sources = [*(ROOT / "flows").rglob("*.py"), Path(bytewax.run.__file__)]
    text = "\n".join(source.read_text() for source in sources)
    # In the compiled part names follow each other without an end: those that are meant are asked for.
    server = [name for name in SERVER_VARIABLES if name.encode() in Path(_bytewax.__file__).read_bytes()]
    return {*re.findall(r"\b(?:CLICKS_[A-Z_]+|REDIS_URL|BYTEWAX_[A-Z_]+)\b", text), *server}


def test_the_flow_knows_every_variable_it_is_given(overlay: tuple[Manifest, ...]) -> None:
    (container,) = pod(named(overlay, "StatefulSet", "clicks"))["containers"]
    given = environment(overlay, container)
    kafka = {name: str(value) for name, value in given.items() if name.startswith("KAFKA_")}
    assert set(given) - set(kafka) <= known_variables()
    values = {name: value for name, value in given.items() if isinstance(value, str)}
    settings = Settings.from_env(values | kafka)
    # librdkafka refuses properties and values that it does not know.
    Consumer(consumer_config("127.0.0.1:1", settings)).close()


def test_a_variable_nobody_reads_would_be_noticed() -> None:
    assert "BYTEWAX_REPLICAS" not in known_variables()
    assert {"BYTEWAX_POD_NAME", "BYTEWAX_DATAFLOW_API_ENABLED", "CLICKS_SHARDS"} <= known_variables()


def rules(policies: list[Manifest], workload: Manifest, way: str) -> list[Manifest]:
    """Return all rules of a direction ("ingress" or "egress") that policies make for a workload's pods."""
    return [
        rule
        for policy in policies
        if policy["spec"]["podSelector"].get("matchLabels", {}).items() <= labels(workload).items()
        for rule in policy["spec"].get(way, [])
    ]


def test_nothing_is_open_to_everybody(overlay: tuple[Manifest, ...]) -> None:
    policies = of_kind(overlay, "NetworkPolicy")
    everything = named(overlay, "NetworkPolicy", "deny")["spec"]
    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for workload in workloads(overlay):
        for way, peer in (("ingress", "from"), ("egress", "to")):
            for rule in rules(policies, workload, way):
                assert rule[peer], rule
                assert all(isinstance(port["port"], int) for port in rule["ports"]), rule


def test_only_the_flows_pods_reach_the_process_port(overlay: tuple[Manifest, ...]) -> None:
    policies = of_kind(overlay, "NetworkPolicy")
    flow = named(overlay, "StatefulSet", "clicks")
    open_to = [
        rule["from"]
        for rule in rules(policies, flow, "ingress")
        if PROCESS_PORT in [port["port"] for port in rule["ports"]]
    ]
    assert open_to == [[{"podSelector": {"matchLabels": FLOW}}]]
    assert selected(overlay, FLOW) == ["clicks"]


def test_policies_name_the_ports_that_pods_have(overlay: tuple[Manifest, ...]) -> None:
    policies = of_kind(overlay, "NetworkPolicy")
    for workload in workloads(overlay):
        ports = {port["containerPort"] for one in pod(workload)["containers"] for port in one["ports"]}
        opened = {port["port"] for rule in rules(policies, workload, "ingress") for port in rule["ports"]}
        assert opened == ports


def test_the_flow_may_go_only_where_its_settings_lead(overlay: tuple[Manifest, ...]) -> None:
    flow = named(overlay, "StatefulSet", "clicks")
    source = str(environment(overlay, pod(flow)["containers"][0])["CLICKS_SOURCE"])
    broker = re.search(r":(\d+)/", source)
    ports = {
        port["port"]
        for rule in rules(of_kind(overlay, "NetworkPolicy"), flow, "egress")
        for port in rule["ports"]
    }
    assert ports == {53, PROCESS_PORT, 6379} | ({int(broker[1])} if broker else set())
