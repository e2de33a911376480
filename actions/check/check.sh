#!/usr/bin/env bash
# Runs `keyvault check` with the inputs of the action.
set -euo pipefail
# Not in the bash of macOS, where `**` is `*`.
shopt -s globstar 2>/dev/null || true
shopt -s nullglob
# Spaces are part of a name.
IFS=

arguments=(--github)
case "$INPUT_OFFLINE" in
  true) arguments+=(--offline) ;;
  false) ;;
  *)
    echo "::error title=Key Vault reference::the input 'offline' is neither true nor false"
    exit 2
    ;;
esac
while read -r vault; do
  [ -z "$vault" ] || arguments+=(--vault "$vault")
done <<< "$INPUT_VAULTS"

arguments+=(--)
while read -r pattern; do
  [ -n "$pattern" ] || continue
  # A pattern without a wildcard stays as it is, so the command reports a file that does not exist.
  # shellcheck disable=SC2206 # The shell expands the pattern.
  files=($pattern)
  if [ ${#files[@]} = 0 ]; then
    echo "::error title=Key Vault reference::a pattern of the input 'files' matches no file"
    exit 2
  fi
  arguments+=("${files[@]}")
done <<< "$INPUT_FILES"
# Without a file, the command would check the environment of the job.
if [ "${arguments[${#arguments[@]} - 1]}" = -- ]; then
  echo "::error title=Key Vault reference::the input 'files' is empty"
  exit 2
fi
exec keyvault check "${arguments[@]}"
