#!/usr/bin/env bash
# Makes the images `keyvault` and `keyvault-emulator` without a daemon, runs both, and writes them to
# target/package/keyvault-VERSION-image.tar and …-emulator-image.tar for `docker load`. Needs the archive of `binary.sh`,
# buildah, skopeo, curl and ca-certificates (Debian), and root.
set -euo pipefail
cd "$(dirname "$0")/.."

most_bytes=12000000
package=${CARGO_TARGET_DIR:-target}/package
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
# A registry links the image to its repository by this.
repository=$(sed -n 's/^repository = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
archive=$package/keyvault-$version-x86_64-unknown-linux-musl.tar.gz

work=$(mktemp -d)
emulator=
finish() {
  if [ -n "$emulator" ]; then
    kill "$emulator" 2>/dev/null || true
    wait "$emulator" || true
  fi
  rm -rf "$work"
}
trap finish EXIT
# Its own storage, so that nothing stays behind and no configuration of the machine counts.
image=(buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs)

step() { printf -- '--- %s\n' "$*"; }
fail() { echo "$*" >&2; exit 1; }

step "build"
mkdir -p "$work/context/data"
tar -xzf "$archive" -C "$work/context" --strip-components 1 --wildcards '*/keyvault' '*/LICENSE' '*/THIRD-PARTY.txt'
# The authorities of Mozilla as Debian packages them, without those that were added on this machine.
cat /usr/share/ca-certificates/mozilla/*.crt > "$work/context/ca-certificates.crt"
# Prints the id of the image. A name would become a second tag in the archive.
build() {
  "${image[@]}" build --quiet --isolation chroot --format docker --target "$1" \
    --label "org.opencontainers.image.version=$version" --label org.opencontainers.image.licenses=MIT \
    --label "org.opencontainers.image.source=$repository" \
    --file packaging/Dockerfile "$work/context"
}
command_id=$(build keyvault)
emulator_id=$(build emulator)

step "configuration"
command_image=$package/keyvault-$version-image.tar
emulator_image=$package/keyvault-emulator-$version-image.tar
rm -f "$command_image" "$emulator_image"
"${image[@]}" push --quiet "$command_id" "docker-archive:$command_image:keyvault:$version"
"${image[@]}" push --quiet "$emulator_id" "docker-archive:$emulator_image:keyvault-emulator:$version"
for tar in "$command_image" "$emulator_image"; do
  names=$(tar -xOf "$tar" manifest.json | grep -o '"RepoTags":[^]]*')
  [[ $names != *,* ]] || fail "the archive has several names: $names"
  bytes=$(stat -c %s "$tar")
  echo "$tar: $bytes bytes"
  [ "$bytes" -lt "$most_bytes" ] || fail "the image must have fewer than $most_bytes bytes"
  config=$(skopeo inspect --config "docker-archive:$tar")
  grep -q '"User": "65532:65532"' <<< "$config" || fail "the user is not 65532: $config"
done
config=$(skopeo inspect --config --raw "docker-archive:$emulator_image")
grep -q '"Healthcheck":{"Test":\["CMD","/keyvault"' <<< "$config" || fail "the emulator's image has no health check"

step "the command in its image"
command=$("${image[@]}" from "$command_id")
root=$("${image[@]}" mount "$command")
cmp LICENSE "$root/LICENSE"
cmp "$work/context/THIRD-PARTY.txt" "$root/THIRD-PARTY.txt"
run=("${image[@]}" run --isolation chroot)
[ "$("${run[@]}" "$command" -- /keyvault --version)" = "keyvault $version" ]
rendered=$("${run[@]}" "$command" -- /keyvault render - --format toml --vault contoso <<< 'a = "plain"')
[ "$rendered" = 'a = "plain"' ]
if "${run[@]}" "$command" -- /keyvault emulator --health-check --http 127.0.0.1:18080 2>/dev/null; then
  fail "the health check finds an emulator that does not exist"
fi

step "the emulator in its image"
# The container shares the network of this machine, where something else may use 8443 and 8080.
container=$("${image[@]}" from "$emulator_id")
ports=(--env KEYVAULT_EMULATOR_LISTEN=127.0.0.1:18443 --env KEYVAULT_EMULATOR_HTTP=127.0.0.1:18080)
"${run[@]}" "${ports[@]}" "$container" -- /keyvault emulator --data /data/vault.json > "$work/ready" 2> "$work/log" &
emulator=$!
for _ in $(seq 100); do
  if "${run[@]}" "${ports[@]}" "$container" -- /keyvault emulator --health-check 2>/dev/null; then healthy=yes; break; fi
  kill -0 "$emulator" || fail "the emulator ended: $(cat "$work/log")"
done
[ "${healthy:-}" = yes ] || fail "the emulator does not become healthy"

# A client outside of the container: the authority by http, a token of the managed identity, a secret by https.
curl -fsS http://127.0.0.1:18080/_emulator/ca > "$work/ca.pem"
variables=(KEYVAULT_VAULT=https://127.0.0.1:18443 AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:18080
  AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential)
outside=(env "${variables[@]}" "$work/context/keyvault")
printf 'from outside' | "${outside[@]}" secret set db --ca-file "$work/ca.pem" > /dev/null
[ "$("${outside[@]}" secret get db --ca-file "$work/ca.pem")" = "from outside" ]

# A client in the other container, which trusts the authorities of its image.
"${image[@]}" copy --quiet "$command" "$work/ca.pem" /etc/ssl/certs/ca-certificates.crt > /dev/null
[ "$("${run[@]}" "${variables[@]/#/--env=}" "$command" -- /keyvault secret get db)" = "from outside" ]

kill "$emulator"
wait "$emulator" || true
emulator=
if "$work/context/keyvault" emulator --health-check --http 127.0.0.1:18080 2>/dev/null; then
  fail "the emulator does not end"
fi
grep -q db "$("${image[@]}" mount "$container")/data/vault.json" || fail "the data file is not written"
echo "both images work"
