# Shared by `run` and `release`: the published crates, and the time of each step, printed at the end.

export CARGO_TERM_COLOR=never
export CARGO_INCREMENTAL=0
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The published crates.
mapfile -t crates < <(grep -L '^publish = false' crates/*/Cargo.toml | cut -d / -f 2)

steps=()
# Ends the current step and starts the next one.
step() {
  finish_step
  current=$* started=$SECONDS
  printf '\n=== %s\n' "$current"
}

finish_step() {
  [ -n "${current:-}" ] || return 0
  steps+=("$(printf '%4d s  %s' $((SECONDS - started)) "$current")")
  current=
}

# Prints the time of each step, also after a failure.
summary() {
  local status=$?
  [ -z "${current:-}" ] || [ "$status" = 0 ] || current="$current: FAILED"
  finish_step
  printf '\n=== time of each step\n'
  printf '%s\n' "${steps[@]}"
  printf '%4d s  total\n' "$SECONDS"
}
trap summary EXIT

# Prints the version of the published crates.
version() {
  sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1
}

# Installs Debian packages.
packages() {
  [ -n "${updated:-}" ] || { apt-get update -qq; updated=yes; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Installs what compiles for Windows: the target of Rust, and a C compiler for the cryptography.
windows_target() {
  command -v x86_64-w64-mingw32-gcc >/dev/null || packages gcc-mingw-w64-x86-64
  rustup target add x86_64-pc-windows-gnu
}
