# Trustee gives the one key to the one measured pod. deploy/coco/trustee fills in what begins with set-. Trustee has a
# single policy for all resources: add your other rules here.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	path == "set-KEY_RESOURCE"
	appraisal.status == "affirming"
	appraisal.init_data == "set-INIT_DATA"

	# Trustee's default attestation policy refuses both for snp, but looks at neither for az-snp-vtpm, whose claims are
	# texts.
	appraisal.guest.policy_debug_allowed in {false, "false"}
	appraisal.guest.policy_migrate_ma in {false, "false"}
}

# The token (EAR) of Trustee 0.21 and the releases before it.
appraisal := {"status": cpu["ear.status"], "init_data": evidence.init_data, "guest": evidence["set-TEE"]} if {
	evidence := cpu["ear.veraison.annotated-evidence"]
}

# The token of EAR's draft 04, to which Trustee is changing. A token that is both, and says two things, is an error: nothing
# is released.
appraisal := {"status": cpu.ear_status, "init_data": evidence.init_data, "guest": evidence.claims} if {
	evidence := cpu.ear_attester_claims
	evidence.tee == "set-TEE"
}

# The place of the claims, and whether the path is a list, differ between releases of Trustee.
cpu := object.get(input, ["trust_context", "attestation_summary", "claims"], input).submods.cpu0

path := concat("/", data["resource-path"]) if is_array(data["resource-path"])

path := trim_left(data["resource-path"], "/") if is_string(data["resource-path"])
