#!/usr/bin/env bash
# Measures what live settings add to the build of a program: `benches/compile-time.sh [ROUNDS]`, 5 rounds by default.
#
# The script creates a project in a temporary directory, builds its dependencies once, and then rebuilds three programs that
# differ in the number of settings types passed to `keyvault_figment::layered(…).start::<Settings>()`: none, one, and five.
# Each round touches the source of a program and builds it. The table shows the medians. Each build is a full one of the
# program's own crate: an incremental build of an unchanged source would measure nothing.
set -euo pipefail
shopt -s inherit_errexit

rounds=${1:-5}
root=$(cd "$(dirname "$0")/.." && pwd)
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
export CARGO_INCREMENTAL=0 CARGO_TARGET_DIR="$project/target" CARGO_TERM_QUIET=true
TIMEFORMAT='%R %U %S'
exec 3>&2 # for the errors of a build that is timed

# Prints the source of a program with the given number of settings types.
program() {
  if [ "$1" = 0 ]; then
    echo 'fn main() {}'
    return
  fi
  cat <<'RUST'
use std::time::Duration;

use figment::Figment;
use figment::providers::Env;
use keyvault::SecretClient;
use serde::Deserialize;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn client() -> Result<SecretClient> {
    let credential = keyvault::default_credential()?;
    Ok(SecretClient::builder("https://contoso.vault.azure.net").credential(credential).build()?)
}
RUST
  for type in $(seq "$1"); do
    cat <<RUST

#[derive(Deserialize)]
struct Settings$type {
    host$type: String,
    port$type: u16,
    password$type: String,
}

async fn start$type() -> Result {
    let layers = || Figment::new().merge(Env::prefixed("APP_").split("__"));
    let layered = keyvault_figment::layered(client()?, layers).refresh_every(Duration::from_secs(300));
    let live = layered.start::<Settings$type>().await?;
    let settings = live.current();
    println!("{}:{} {}", settings.host$type, settings.port$type, settings.password$type.len());
    Ok(())
}
RUST
  done
  printf '\n#[tokio::main]\nasync fn main() -> Result {\n'
  for type in $(seq "$1"); do printf '    start%s().await?;\n' "$type"; done
  printf '    Ok(())\n}\n'
}

mkdir -p "$project/src/bin"
cp "$root/Cargo.lock" "$project/"
cat > "$project/Cargo.toml" <<TOML
[workspace]

[package]
name = "compile-time"
version = "0.0.0"
edition = "2024"

[dependencies]
figment = { version = "0.10", default-features = false, features = ["env"] }
keyvault = { path = "$root/crates/keyvault" }
keyvault-figment = { path = "$root/crates/keyvault-figment" }
serde = { version = "1", features = ["derive"] }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
TOML
for types in 0 1 5; do program "$types" > "$project/src/bin/types$types.rs"; done
cd "$project"

# Prints the median of the numbers on standard input.
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

# Builds a program in every round and prints the medians of its wall time and CPU time in seconds, and its size in bytes.
measure() {
  local profile=$1 types=$2 flag=() round
  [ "$profile" = release ] && flag=(--release)
  : > times
  for round in $(seq "$rounds"); do
    touch "src/bin/types$types.rs"
    { time cargo build "${flag[@]}" --bin "types$types" 2> errors || { cat errors >&3; exit 1; }; } 2>> times
  done
  echo "$(cut -d' ' -f1 times | median) $(awk '{ print $2 + $3 }' times | median)" \
    "$(stat -c %s "target/$profile/types$types")"
}

row() { awk -v name="$1" -v a="$2" -v b="$3" -v n="$4" 'BEGIN {
  split(a, before, " "); split(b, after, " ")
  printf "| %-32s | %6.2f | %6.2f | %7.2f |\n", name, (after[1] - before[1]) / n, (after[2] - before[2]) / n,
    (after[3] - before[3]) / n / 1e6
}'; }

echo "| extra time of each build         | wall s |  CPU s | size MB |"
echo "|----------------------------------|-------:|-------:|--------:|"
for profile in debug release; do
  [ "$profile" = release ] && flag=(--release) || flag=()
  cargo build "${flag[@]}"
  none=$(measure "$profile" 0)
  one=$(measure "$profile" 1)
  five=$(measure "$profile" 5)
  row "empty program, $profile" "0 0 0" "$none" 1
  row "+ the first settings type" "$none" "$one" 1
  row "+ each further settings type" "$one" "$five" 4
done
