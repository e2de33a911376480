#!/usr/bin/env bash
# Sets a variable of later steps for each line of the input `secrets`. `keyvault run` starts this script again with the
# secrets in KEYVAULT_EXPORT_0, KEYVAULT_EXPORT_1 and so on, and the names of the variables as arguments.
set -euo pipefail

fail() {
  echo "::error title=Key Vault export::$1"
  exit 2
}

# Prints a value as the text of a workflow command.
escaped() {
  local text=${1//\%/%25}
  text=${text//$'\r'/%0D}
  printf '%s' "${text//$'\n'/%0A}"
}

# Masks a value, and each line of it, because the log is masked line by line.
mask() {
  echo "::add-mask::$(escaped "$1")"
  local line
  while IFS= read -r line; do
    line=${line%$'\r'}
    [ -z "${line//[[:space:]]/}" ] || echo "::add-mask::$(escaped "$line")"
  done <<< "$1"
}

if [ $# -gt 0 ]; then
  index=0
  for name in "$@"; do
    variable=KEYVAULT_EXPORT_$index
    index=$((index + 1))
    # An optional secret that does not exist leaves the variable unset.
    [ -n "${!variable+set}" ] || continue
    value=${!variable}
    [ -z "$value" ] || mask "$value"
    # A value cannot contain a random delimiter, so it cannot set another variable.
    delimiter=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s<<%s\n%s\n%s\n' "$name" "$delimiter" "$value" "$delimiter" >> "$GITHUB_ENV"
  done
  exit
fi

names=()
while IFS= read -r line; do
  [ -n "$line" ] || continue
  name=${line%%=*} secret=${line#*=}
  [[ "$line" == *=* && "$name" =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || fail "line $((${#names[@]} + 1)) of the secrets is not NAME=secret-name"
  if [[ "$secret" != *@* ]]; then
    [[ "$secret" =~ ^[0-9A-Za-z-]+$ ]] || fail "the secret of $name is neither a secret name nor a reference"
    secret="@KeyVault(SecretName=$secret)"
  fi
  export "KEYVAULT_EXPORT_${#names[@]}=$secret"
  names+=("$name")
done <<< "$INPUT_SECRETS"
[ ${#names[@]} -gt 0 ] || fail "the input 'secrets' is empty"

vaults=()
while IFS= read -r vault; do
  [ -z "$vault" ] || vaults+=(--vault "$vault")
done <<< "$INPUT_VAULTS"
[ ${#vaults[@]} -gt 0 ] || fail "the input 'vaults' is empty"
exec keyvault run "${vaults[@]}" --only 'KEYVAULT_EXPORT_*' -- "$BASH" "$0" "${names[@]}"
