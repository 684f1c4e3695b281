#!/usr/bin/env bash
# Prints the address of the page, who may open it, as the platform has it, and the
# command that verifies the page. Changes and costs nothing.
. "$(dirname "$0")/lib.sh"
printAddress
