#!/bin/sh
# Tests the llm command line from PyPI against Quire. Prints one line per check, in the form "check: result". The
# first argument is the program; the environment variables QUIRE_URL (without a path) and QUIRE_KEY name the server
# and the key.
set -eu
LLM_USER_PATH=$(mktemp -d)
export LLM_USER_PATH
trap 'rm -rf "$LLM_USER_PATH"' EXIT
for name in p/thin p/refused p/broken quire/gut nobody/none; do
    printf -- '- model_id: at:%s\n  model_name: %s\n  api_base: %s/v1\n  api_key_name: quire\n' "$name" "$name" "$QUIRE_URL"
done >"$LLM_USER_PATH/extra-openai-models.yaml"

ask() { "$1" prompt --key "$2" --no-log -m "at:$3" $4 -s "Be brief." "Is it thin?" 2>&1 || echo "(exit $?)"; }
# Asks, and prints the last two lines of the error and the exit code, without the model's name.
ends() { ask "$1" "$2" "$3" "$4" | sed -e 's/ - .*//' -e 's/.*Error: p\/[a-z]*: //' | tail -n 2 | tr '\n' ' '; }

echo "whole: $(ask "$1" "$QUIRE_KEY" p/thin --no-stream)"
echo "stream: $(ask "$1" "$QUIRE_KEY" p/thin '')"
echo "panel: $(ask "$1" "$QUIRE_KEY" quire/gut --no-stream | grep -q thin && echo true)"
echo "panel stream: $(ask "$1" "$QUIRE_KEY" quire/gut '' | grep -q thin && echo true)"
echo "unknown model: $(ends "$1" "$QUIRE_KEY" nobody/none '')"
echo "wrong key: $(ends "$1" quire_wrong p/thin '')"
echo "provider refuses: $(ends "$1" "$QUIRE_KEY" p/refused '')"
echo "cut: $(ends "$1" "$QUIRE_KEY" p/broken '')"
