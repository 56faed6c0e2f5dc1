#!/usr/bin/env bash
# release.sh VERSION: makes a release of what is committed: version and changelog, a commit, a tag v-VERSION. Pushes nothing.
# What was unreleased in CHANGELOG.md becomes the version's section. `tools/release.sh --check` says whether versions agree.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "release.sh: $*" >&2; exit 1; }

# The version of the workspace.
current() { sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml; }

# The version that CHANGELOG.md has released last.
released() { sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -1; }

check() {
    local version papermill evcxr
    version=$(current)
    papermill=$(sed -n 's/^version = "\(.*\)"/\1/p' kernel/papermill/pyproject.toml)
    evcxr=$(sed -n 's/^version = "\(.*\)"/\1/p' kernel/evcxr/Cargo.toml | head -1)
    [ "$papermill" = "$version" ] || fail "kernel/papermill/pyproject.toml has version $papermill, Cargo.toml $version"
    [ "$evcxr" = "$version" ] || fail "kernel/evcxr/Cargo.toml has version $evcxr, Cargo.toml $version"
    [ "$(released)" = "$version" ] || fail "CHANGELOG.md has $(released) on top, Cargo.toml has version $version"
}

[ $# = 1 ] || fail "a version: tools/release.sh 0.3.0"
if [ "$1" = --check ]; then
    check
    exit
fi
version=$1
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "$version is no version: three numbers, 0.3.0"
[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed: git status"
git rev-parse -q --verify "refs/tags/v$version" >/dev/null && fail "the tag v$version is there"
grep -q '^## Unreleased$' CHANGELOG.md || fail "CHANGELOG.md has no section Unreleased"
check

sed -i "/^\[workspace.package\]/,/^\[/s/^version = .*/version = \"$version\"/" Cargo.toml
sed -i "s/^version = .*/version = \"$version\"/" kernel/papermill/pyproject.toml
sed -i "0,/^version = .*/s//version = \"$version\"/" kernel/evcxr/Cargo.toml
sed -i "s/^## Unreleased$/## $version - $(date +%F)/" CHANGELOG.md
# The lock files have the versions, too.
cargo metadata --format-version 1 --offline >/dev/null
(cd kernel/evcxr && cargo metadata --format-version 1 --offline >/dev/null) || echo "kernel/evcxr/Cargo.lock is not updated: its crates are not here"
check
git commit -qam "Release $version"
git tag -a "v$version" -m "Patchbay $version"
echo "made the commit and the tag v$version; publish them with: git push --follow-tags"
