#!/usr/bin/env bash
# Builds the command for distribution, checks it, and packs it with completions and manual pages into
# target/package/keyvault-VERSION-TARGET.tar.gz: `packaging/binary.sh [TARGET]`. By default the target is
# x86_64-unknown-linux-musl, one static file. The system must be able to run programs of the target. Needs rustup and
# cargo-about; for Linux also musl-gcc (Debian: musl-tools) and file.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-x86_64-unknown-linux-musl}
# The file for x86-64 is for images and init containers, and has to stay small. Code for ARM is larger.
most_bytes=10000000
case $target in x86_64-*) most_bytes=8000000 ;; esac

rustup target add "$target"
cargo build --profile dist --target "$target" -p keyvault-cli --locked
binary=${CARGO_TARGET_DIR:-target}/$target/dist/keyvault
case $target in *-windows-*) binary=$binary.exe ;; esac

# A carriage return would become a part of the name.
version=$("$binary" --version | tr -d '\r' | cut -d ' ' -f 2)
name=keyvault-$version-$target
directory=${CARGO_TARGET_DIR:-target}/package/$name
rm -rf "$directory"
mkdir -p "$directory/completions"
cp "$binary" LICENSE README.md CHANGELOG.md "$directory/"
# The licences of the libraries, as they ask for with a binary. From the packages alone: no server is asked.
cargo fetch --quiet --locked
cargo about generate --frozen --fail --config packaging/about.toml --manifest-path crates/keyvault-cli/Cargo.toml \
  --target "$target" packaging/about.hbs --output-file "$directory/THIRD-PARTY.txt"
"$binary" completions bash > "$directory/completions/keyvault.bash"
"$binary" completions elvish > "$directory/completions/keyvault.elv"
"$binary" completions fish > "$directory/completions/keyvault.fish"
"$binary" completions nushell > "$directory/completions/keyvault.nu"
"$binary" completions powershell > "$directory/completions/_keyvault.ps1"
"$binary" completions zsh > "$directory/completions/_keyvault"
"$binary" man "$directory/man"

bytes=$(($(wc -c < "$binary")))
if [[ $target = *-linux-musl ]]; then
  kind=$(file "$binary")
  if ! grep -qE 'statically linked|static-pie linked' <<< "$kind"; then
    echo "the binary is not static: $kind" >&2
    exit 1
  fi
  if [ "$bytes" -ge "$most_bytes" ]; then
    echo "the binary has $bytes bytes, and must have fewer than $most_bytes" >&2
    exit 1
  fi
fi
empty=$(find "$directory" -empty)
if [ -n "$empty" ]; then
  echo "empty: $empty" >&2
  exit 1
fi

# The tar of macOS is another program.
owner=(--uid 0 --gid 0)
if tar --version | grep -q GNU; then owner=(--owner 0 --group 0 --sort name); fi
digest=(sha256sum)
command -v sha256sum > /dev/null || digest=(shasum -a 256)
# Relative paths, because `tar` takes the letter of a Windows drive for the name of a host.
cd "$directory/.."
tar "${owner[@]}" -czf "$name.tar.gz" "$name"
"${digest[@]}" "$name.tar.gz" > "$name.tar.gz.sha256"
echo "$PWD/$name.tar.gz: $(($(wc -c < "$name.tar.gz"))) bytes, the binary $bytes bytes"
