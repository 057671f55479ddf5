#!/bin/bash
# Starts Pileus, deploys the todo application to it and stays in the foreground; Ctrl-C ends it all.
# Arguments go to `pileus up` (`--port 8000`, `--data DIR`).
set -u
cd "$(dirname "$0")/.."
data=.pileus
for word in "$@"; do
    case ${previous:-} in --data) data=$word ;; esac
    previous=$word
done

unset AWS_ENDPOINT_URL # Another cloud's, should one be set.
.venv/bin/pileus up "$@" &
cloud=$!
trap 'kill "$cloud" 2>/dev/null; wait "$cloud"' EXIT
trap 'exit 0' INT TERM

until .venv/bin/pileus env --data "$data" >/dev/null 2>&1; do
    kill -0 "$cloud" 2>/dev/null || exit 1 # It has said why.
    sleep 0.1
done

# Functions run on the Python that Pileus itself runs on: it is there.
runtime=$(.venv/bin/python -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
.venv/bin/pileus deploy examples/todo/template.yaml --stack todo --parameter "Runtime=$runtime" --data "$data" || exit 1
echo "Open it in a browser. Ctrl-C ends the cloud; what was written stays in $data."
wait "$cloud"
