from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kubefort import clusterfile, strictyaml
from kubefort.clusterdefaults import DEFAULTS
from kubefort.clusterfile import ClusterFile
from kubefort.errors import InvalidInput

HEAD = "apiVersion: kubefort.dev/v1\nkind: Cluster\n"
ROOT = Path(__file__).parents[3]


def errors(text: str) -> list[str]:
    return clusterfile.problems(HEAD + text, "c.yaml")[1]


SHAPES = [
    ("podSubnet: []", "c.yaml:3:1: podSubnet: unknown key; did you mean podSubnets?"),
    ("kubernetesVersion: 1.36", "c.yaml:3:20: kubernetesVersion: expected text, found the number 1.36"),
    (
        "encryptionAtRest: sometimes",
        'c.yaml:3:19: encryptionAtRest: expected true or false, found the text "som',
    ),
    ("certSans: a.example", "c.yaml:3:11: certSans: expected a list"),
    ("podNetwork: flannel", "c.yaml:3:13: podNetwork: expected one of manifest, routed"),
    ("vip: {vrid: 5}", "c.yaml:3:6: vip: address is missing"),
    ("vip: {address: 10.0.0.9, vrid: true}", "c.yaml:3:32: vip.vrid: expected a whole number, found true"),
    ("hosts:\n- {name: a, role: master}", "c.yaml:4:19: hosts[0].role: expected one of control-plane, worker"),
    ("hosts:\n- role: worker", "c.yaml:4:3: hosts[0]: name is missing"),
    ("hosts:\n- {name: a, role: worker, labels: {x.y/z: 1}}", 'c.yaml:4:43: hosts[0].labels["x.y/z"]: expected text'),
    ("components:\n  etcd:\n    extraArgs: {v: 2}", "c.yaml:5:20: components.etcd.extraArgs.v: expected text"),
    ("components:\n  etcd: []", "c.yaml:4:9: components.etcd: expected a mapping"),
]


@pytest.mark.parametrize(("text", "expected"), SHAPES)
def test_a_wrong_shape_is_named_with_line_column_and_path(text: str, expected: str) -> None:
    found = errors(text)
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_all_mistakes_are_told_at_once() -> None:
    found = errors("nonsense: 1\ndomain: 7\nhosts:\n- {name: a, role: x}\n")
    assert [line.split(": ")[0] for line in found] == ["c.yaml:3:1", "c.yaml:4:9", "c.yaml:6:19"]


def test_a_rule_that_is_broken_is_placed_as_well() -> None:
    found = errors("serviceSubnets:\n- 10.244.0.0/20\nhosts:\n- {name: a, role: control-plane, address: 10.244.3.4}\n")
    assert found[0].startswith("c.yaml:4:3: serviceSubnets[0]: 10.244.0.0/20 overlaps podSubnets[0]")
    assert found[1].startswith("c.yaml:6:43: hosts[0].address: 10.244.3.4 lies inside podSubnets[0]")


REFUSED = [
    ("a: &x [1]\nb: *x\n", "f:2:4: the alias *x is not allowed"),
    ("a: 1\na: 2\n", "f:2:1: the key a stands twice, first in line 1"),
    ("x: {<<: {a: 1}}", "f:1:5: merge keys (<<) are not allowed"),
    ("a: !!python/object/apply:os.system [id]", "f:1:4: the tag tag:yaml.org,2002:python"),
    ("a: !secret b", "f:1:4: the tag !secret is not allowed"),
    ("a: 1\n---\nb: 2\n", "f:2:1: expected a single document in the stream"),
    ("a: [1\nb: 2\n", "f:2:"),
    ("? [a]\n: 1\n", "f:1:3: a key must be text"),
    ("[" * 100, "f:1:41: nested more than 40 levels deep"),
    ("a: " + "9" * 5000, "f:1:4: not a value that can be read"),
    (b"a: \xff", "f: not UTF-8"),
    ("a: \x07", "f: "),
    ("#" * (strictyaml.MAX_BYTES + 1), "f: larger than 1 MiB"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_plain_yaml_is_refused(text: str | bytes, expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        strictyaml.parse(text, "f")
    assert str(caught.value).startswith(expected)


def test_a_bomb_of_anchors_is_refused_at_its_first_alias() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    with pytest.raises(InvalidInput, match=r"f:2:10: the alias \*a0"):
        strictyaml.parse("\n".join(lines), "f")


def test_values_of_every_kind_come_through() -> None:
    text = "a: 1\nb: 1.5\nc: yes\nd: ~\ne: 2026-11-30\nf: [x, {g: 'h: i'}]\n"
    assert strictyaml.parse(text, "f").data == {
        "a": 1,
        "b": 1.5,
        "c": True,
        "d": None,
        "e": "2026-11-30",
        "f": ["x", {"g": "h: i"}],
    }


def test_the_printed_defaults_are_the_defaults_and_name_every_setting() -> None:
    file, wrong, warnings = clusterfile.problems(DEFAULTS, "defaults")
    assert file == ClusterFile(api_version="kubefort.dev/v1", kind="Cluster")
    assert (wrong, warnings) == ([], [])
    keys = {line.split(":")[0] for line in DEFAULTS.splitlines() if line and line[0].isalpha()}
    assert keys == {field.encode_name for field in msgspec.structs.fields(ClusterFile)}


def test_the_commented_examples_in_the_defaults_are_valid() -> None:
    lines = DEFAULTS.splitlines()
    dropped = ("vip: null", "components: {}", "hosts: []")
    examples = ("# vip:", "# components:", "# hosts:")
    text, inside = [], False
    for line in lines:
        if line in dropped:
            continue
        inside = line.startswith(examples) or (inside and line.startswith("#  "))
        text.append(line.removeprefix("# ") if inside else line)
    file, wrong, _ = clusterfile.problems("\n".join(text), "examples")
    assert wrong == []
    assert file is not None
    assert file.vip is not None
    assert file.components["kube-apiserver"].extra_args == {"audit-log-maxage": "30"}
    assert file.hosts[0].name == "cp1"


def test_the_published_schema_is_up_to_date() -> None:
    published = (ROOT / "docs" / "cluster.schema.json").read_bytes()
    assert published == clusterfile.schema(), "type: kfctl config schema > docs/cluster.schema.json"


def test_a_loaded_file_gives_the_cluster_with_a_version(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(HEAD + "name: prod\nhosts:\n- {name: a, role: control-plane}\n- {name: b, role: control-plane}\n")
    file, warnings = clusterfile.load(path)
    assert file.cluster("v1.36.2").kubernetes_version == "v1.36.2"
    assert file.cluster("v1.36.2").name == "prod"
    assert len(warnings) == 1
    assert "2 control-plane hosts survive no more failures than 1" in warnings[0]


@pytest.mark.parametrize("content", [None, "", "[]"])
def test_a_missing_or_empty_file_is_an_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "cluster.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidInput, match=r"cluster\.yaml"):
        clusterfile.load(path)
