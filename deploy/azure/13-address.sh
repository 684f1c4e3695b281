#!/usr/bin/env bash
# Says where the page is. Changes and costs nothing.
. "$(dirname "$0")/lib.sh"
await "waiting for the page's address" '^$' kubectl -n kafka get service consumer --output 'jsonpath={.status.loadBalancer.ingress[0].ip}'
say "open http://$answer (from $SOURCE_RANGE); deploy/azure/15-clean-up.sh deletes everything that was made"
