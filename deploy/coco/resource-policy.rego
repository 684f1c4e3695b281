# Trustee gives the one key to the one measured pod. deploy/coco/trustee fills in both names. Trustee has a single policy
# for all resources: add your other rules here.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	path == "set-KEY_RESOURCE"
	cpu["ear.status"] == "affirming"
	cpu["ear.veraison.annotated-evidence"].init_data == "set-INITDATA_HASH"
}

# The place of the claims, and whether the path is a list, differ between releases of Trustee.
cpu := object.get(input, ["trust_context", "attestation_summary", "claims"], input).submods.cpu0

path := concat("/", data["resource-path"]) if is_array(data["resource-path"])

path := trim_left(data["resource-path"], "/") if is_string(data["resource-path"])
