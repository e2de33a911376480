#!/usr/bin/env bash
# Builds the command for Linux as one static file, checks it, and packs it with completions and manual pages into
# target/package/keyvault-VERSION-x86_64-unknown-linux-musl.tar.gz. Needs rustup, musl-gcc (Debian: musl-tools) and file.
set -euo pipefail
cd "$(dirname "$0")/.."

target=x86_64-unknown-linux-musl
most_bytes=8000000

rustup target add "$target"
cargo build --profile dist --target "$target" -p keyvault-cli --locked
binary=${CARGO_TARGET_DIR:-target}/$target/dist/keyvault

version=$("$binary" --version | cut -d ' ' -f 2)
name=keyvault-$version-$target
directory=${CARGO_TARGET_DIR:-target}/package/$name
rm -rf "$directory"
mkdir -p "$directory/completions"
cp "$binary" LICENSE README.md CHANGELOG.md "$directory/"
"$binary" completions bash > "$directory/completions/keyvault.bash"
"$binary" completions elvish > "$directory/completions/keyvault.elv"
"$binary" completions fish > "$directory/completions/keyvault.fish"
"$binary" completions nushell > "$directory/completions/keyvault.nu"
"$binary" completions powershell > "$directory/completions/_keyvault.ps1"
"$binary" completions zsh > "$directory/completions/_keyvault"
"$binary" man "$directory/man"

kind=$(file "$binary")
if ! grep -qE 'statically linked|static-pie linked' <<< "$kind"; then
  echo "the binary is not static: $kind" >&2
  exit 1
fi
bytes=$(stat -c %s "$binary")
if [ "$bytes" -ge "$most_bytes" ]; then
  echo "the binary has $bytes bytes, and must have fewer than $most_bytes" >&2
  exit 1
fi
empty=$(find "$directory" -empty)
if [ -n "$empty" ]; then
  echo "empty: $empty" >&2
  exit 1
fi

tar -C "$directory/.." --owner 0 --group 0 --sort name -czf "$directory.tar.gz" "$name"
(cd "$directory/.." && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")
echo "$directory.tar.gz: $(stat -c %s "$directory.tar.gz") bytes, the binary $bytes bytes"
