#!/bin/sh
# Tests aichat from crates.io against Quire. Prints one line per check, in the form "check: result". The first
# argument is the program; the environment variables QUIRE_URL (without a path) and QUIRE_KEY name the server and the
# key.
aichat="$1"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export AICHAT_CONFIG_DIR="$folder"
cat >"$folder/config.yaml" <<YAML
model: quire:p/thin
save: false
clients:
- type: openai-compatible
  name: quire
  api_base: $QUIRE_URL/v1
  api_key: $QUIRE_KEY
  models:
  - name: p/thin
  - name: p/refused
  - name: p/broken
  - name: quire/gut
  - name: nobody/none
YAML
ask() { "$aichat" "$@" "Is it thin?" </dev/null 2>&1; }
told() { if [ "$(ask "$@" | wc -c)" -gt 5 ]; then echo true; else echo false; fi; }
echo "whole: $(ask -S -m quire:p/thin)"
echo "stream: $(ask -m quire:p/thin)"
echo "panel: $(told -S -m quire:quire/gut)"
echo "panel stream: $(told -m quire:quire/gut)"
ask -S -m quire:nobody/none >"$folder/out" && code=0 || code=$?
echo "unknown model: $(grep -o 'does not exist' "$folder/out" | head -1) (exit $code)"
ask -S -m quire:p/refused >"$folder/out" && code=0 || code=$?
echo "provider refuses: $(grep -o 'refused the request' "$folder/out" | head -1) (exit $code)"
ask -m quire:p/broken >"$folder/out" && code=0 || code=$?
echo "cut: exit $code"
