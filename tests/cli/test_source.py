"""Templates in files: errors with their lines, folders made into bundles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pileus.cli.errors import CommandError
from pileus.cli.source import Source


def _source(tmp_path: Path, text: str) -> Source:
    path = tmp_path / "template.yaml"
    path.write_text(text)
    return Source(path)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("Resources:\n  A: [\n", 3, "expected"),
        ("Resources:\n  A:\n    Type: AWS::EC2::VPC\n", 3, "AWS::EC2::VPC"),
        ("Transform: AWS::Serverless-2016-10-31\nResources:\n  A:\n    Type: AWS::EC2::VPC\n", 4, "AWS::EC2::VPC"),
        ("Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      Oops: 1\n", 5, "Oops"),
        ("Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties: {LogGroupName: !Ref B}\n", 4, "[B]"),
        ("Resources:\n  A: {Type: AWS::Logs::LogGroup}\nOutput: {}\n", 3, "[Output]"),
        ("Resources:\n  A:\n    Type: AWS::Serverless::Function\n", 3, "needs `Transform:"),
    ],
)
def test_wrong_templates_say_on_which_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(CommandError) as caught:
        _source(tmp_path, text).check()
    assert str(caught.value).startswith(f"{tmp_path}/template.yaml:{line}: ")
    assert said in str(caught.value)


def test_a_missing_template_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="pileus deploy TEMPLATE"):
        Source(tmp_path / "nothing.yaml")


_FUNCTIONS = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Runtime: {Type: String, Default: python3.11}}
Globals: {Function: {Runtime: !Ref Runtime}}
Resources:
  One: {Type: AWS::Serverless::Function, Properties: {CodeUri: code, Handler: a.b}}
  Two: {Type: AWS::Serverless::Function, Properties: {CodeUri: ./code, Handler: a.c}}
  Plain: {Type: AWS::Lambda::Function, Properties: {Code: code, Role: x}}
  Layer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: code}}
  Far: {Type: AWS::Serverless::Function, Properties: {CodeUri: "s3://bucket/key"}}
"""


def test_folders_become_bundles(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("x")
    placed: list[str] = []

    def place(key: str, data: bytes) -> str:
        assert data.startswith(b"PK")
        placed.append(key)
        return "artifacts"

    body = json.loads(_source(tmp_path, _FUNCTIONS).packaged({}, place, for_aws=False))
    resources = body["Resources"]
    there = {"Bucket": "artifacts", "Key": placed[0]}
    assert resources["One"]["Properties"]["CodeUri"] == resources["Two"]["Properties"]["CodeUri"] == there
    assert resources["Plain"]["Properties"]["Code"] == {"S3Bucket": "artifacts", "S3Key": placed[0]}
    assert resources["Layer"]["Properties"]["ContentUri"]["Bucket"] == "artifacts"
    assert resources["Far"]["Properties"]["CodeUri"] == "s3://bucket/key"


def test_a_missing_folder_says_where_it_is_named(tmp_path: Path) -> None:
    source = _source(tmp_path, _FUNCTIONS)
    with pytest.raises(CommandError, match=r"template\.yaml:6: .*code does not exist"):
        source.packaged({}, lambda key, data: "b", for_aws=False)


def test_what_the_cloud_says_gets_its_line(tmp_path: Path) -> None:
    source = _source(tmp_path, _FUNCTIONS)
    said = source.located("Something is wrong (/Resources/Two/Properties/Handler, line 99)")
    assert str(said) == f"{source.path}:7: Something is wrong"
    assert str(source.located("1 error. Resource with id [Two] is invalid.")).startswith(f"{source.path}:7: ")
    assert str(source.located("Something (else)")) == f"{source.path}: Something (else)"
    assert source.line_of("OneRole") == f"{source.path}:6"


def test_sites_are_found_and_checked(tmp_path: Path) -> None:
    bucket = "Resources:\n  S:\n    Type: AWS::S3::Bucket\n    Metadata: {Pileus: %s}\n"
    (site,) = _source(tmp_path, bucket % "{Site: ./dist, Build: make, Config: c.json}").sites()
    assert site == ("S", tmp_path / "dist", "make", "c.json", ())
    (tmp_path / "shared").mkdir()
    (site,) = _source(tmp_path, bucket % "{Site: ./dist, Build: make, Sources: [shared]}").sites()
    assert site.sources == (tmp_path / "shared",)
    with pytest.raises(CommandError, match=r"template\.yaml:4: .*absent does not exist"):
        _source(tmp_path, bucket % "{Site: ./dist, Build: make, Sources: [absent]}").sites()
    for wrong in ("{Site: 3}", "{Sight: x}", "[x]", "x", "{Site: x, Sources: y}", "{Site: x, Sources: [1]}"):
        with pytest.raises(CommandError, match=r"template\.yaml:4: Metadata\.Pileus"):
            _source(tmp_path, bucket % wrong).sites()
