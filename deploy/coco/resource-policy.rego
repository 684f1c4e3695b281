# Which resource Trustee gives to whom: the one key, to the one pod that was measured. deploy/coco/trustee puts the two
# names in. Trustee has a single policy for all resources: what others need has to be added here.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	path == "set-KEY_RESOURCE"
	cpu["ear.status"] == "affirming"
	cpu["ear.veraison.annotated-evidence"].init_data == "set-INITDATA_HASH"
}

# Where the attestation service's claims stand, and whether a path is a list, differs between releases of Trustee.
cpu := object.get(input, ["trust_context", "attestation_summary", "claims"], input).submods.cpu0

path := concat("/", data["resource-path"]) if is_array(data["resource-path"])

path := trim_left(data["resource-path"], "/") if is_string(data["resource-path"])
