#!/bin/sh
# What Bytewax's Helm chart starts (`sh ./entrypoint.sh`), in place of the script of Bytewax's own image, whose
# shell stays process 1: it does not pass on SIGTERM and hides the flow's exit status. The chart gives no /tmp, and
# its directory for the web server's file only with a sidecar: the one for the flow's files serves for both.
export HOME="$BYTEWAX_WORKDIR" TMPDIR="$BYTEWAX_WORKDIR" RUST_BACKTRACE=0
export BYTEWAX_DATAFLOW_API_ENABLED=1 BYTEWAX_DATAFLOW_API_CACHE_PATH="$BYTEWAX_WORKDIR"
exec tini -s -- python -m bytewax.run flows.clicks
