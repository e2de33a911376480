#!/usr/bin/env bash
# Installs the command `keyvault` of the release that the action belongs to, unless a step before has installed one.
set -euo pipefail

if command -v keyvault > /dev/null; then
  keyvault --version
  exit
fi
manifest=$(dirname "$0")/../Cargo.toml
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$manifest" | head -n 1)
repository=$(sed -n 's|^repository = "https://github.com/\([^"]*\)".*|\1|p' "$manifest")
case "$RUNNER_OS-$RUNNER_ARCH" in
  Linux-X64) target=x86_64-unknown-linux-musl ;;
  Linux-ARM64) target=aarch64-unknown-linux-musl ;;
  macOS-ARM64) target=aarch64-apple-darwin ;;
  macOS-X64) target=x86_64-apple-darwin ;;
  Windows-X64) target=x86_64-pc-windows-msvc ;;
  *)
    echo "::error title=keyvault::no binary for $RUNNER_OS on $RUNNER_ARCH; compile it in a step before: cargo install keyvault-cli"
    exit 1
    ;;
esac
name=keyvault-$version-$target
# Relative paths, because `tar` takes the letter of a Windows drive for the name of a host.
cd "$RUNNER_TEMP"
gh release download "v$version" --repo "$repository" --pattern "$name.tar.gz" --clobber
# The archive comes from the release workflow of that repository.
gh attestation verify "$name.tar.gz" --repo "$repository" --signer-workflow "$repository/.github/workflows/release.yml"
tar -xzf "$name.tar.gz"
echo "$RUNNER_TEMP/$name" >> "$GITHUB_PATH"
