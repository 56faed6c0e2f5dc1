"""The dependencies are what deny.toml allows, as far as the lock file and the manifests tell."""

import collections
import json
import pathlib
import re
import subprocess
import tomllib

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DENY = tomllib.loads((REPOSITORY / "deny.toml").read_text())


def packages():
    done = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked"],
        cwd=REPOSITORY, text=True, capture_output=True, check=True,
    )
    return json.loads(done.stdout)["packages"]


def is_allowed(expression, allowed):
    """Whether an SPDX expression is met by allowed licences alone: one side of each OR, both of each AND."""
    tokens = re.findall(r"[()]|[^\s()/]+|/", expression)
    position = 0

    def either():
        nonlocal position
        met = both()
        while position < len(tokens) and tokens[position] in ("OR", "/"):
            position += 1
            met = both() or met
        return met

    def both():
        nonlocal position
        met = one()
        while position < len(tokens) and tokens[position] == "AND":
            position += 1
            met = one() and met
        return met

    def one():
        nonlocal position
        token = tokens[position]
        position += 1
        if token == "(":
            met = either()
            position += 1
            return met
        if position < len(tokens) and tokens[position] == "WITH":
            token = f"{token} WITH {tokens[position + 1]}"
            position += 2
        return token in allowed

    return either()


def test_expressions_are_read_as_they_are_meant():
    allowed = {"MIT", "IJG", "Apache-2.0 WITH LLVM-exception"}
    for expression in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "(MIT OR GPL-3.0) AND IJG", "Apache-2.0 WITH LLVM-exception"]:
        assert is_allowed(expression, allowed), expression
    for expression in ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "(MIT OR IJG) AND GPL-3.0"]:
        assert not is_allowed(expression, allowed), expression


def test_licences_are_allowed_ones():
    allowed = set(DENY["licenses"]["allow"])
    refused = {
        f"{package['name']} {package['version']}": package["license"]
        for package in packages()
        if not is_allowed(package["license"] or "none", allowed)
    }
    assert not refused


def test_no_crate_is_there_twice_that_need_not_be():
    versions = collections.defaultdict(set)
    for package in packages():
        versions[package["name"]].add(package["version"])
    skipped = collections.defaultdict(set)
    for entry in DENY["bans"]["skip"]:
        name, version = entry["crate"].split("@")
        skipped[name].add(version)
    for name, found in versions.items():
        assert len(found - skipped[name]) <= 1, f"{name} is there as {sorted(found)}: see deny.toml"
    for name, known in skipped.items():
        assert known < versions[name], f"{name} {sorted(known)}: take it out of deny.toml"


def test_crates_come_from_the_registry_or_this_repository():
    for package in packages():
        source = package["source"]
        assert source is None or source.startswith("registry+"), f"{package['name']} comes from {source}"
        if source is None:
            assert pathlib.Path(package["manifest_path"]).is_relative_to(REPOSITORY)
