package manifests_test

import (
	"maps"
	"slices"
	"strings"
)

// goodClaims returns the claims of a guest with these reference values, as the verifiers of Trustee 0.21 report them:
// numbers and booleans for snp; for az-snp-vtpm texts, and the registers of the vTPM.
func goodClaims(hardware string) map[string]any {
	if hardware == "snp" {
		return map[string]any{
			"measurement":             referenceValues["snp"]["snp_launch_measurement"],
			"reported_tcb_bootloader": 4.0, "reported_tcb_microcode": 72.0, "reported_tcb_snp": 22.0, "reported_tcb_tee": 0.0,
			"platform_smt_enabled": true, "platform_tsme_enabled": false,
			"policy_abi_major": 0.0, "policy_abi_minor": 31.0, "policy_single_socket": false, "policy_smt_allowed": true,
			"policy_debug_allowed": false, "policy_migrate_ma": false,
		}
	}
	values := referenceValues[hardware]
	return map[string]any{
		"measurement":             values["measurement"],
		"tpm":                     map[string]any{"pcr08": strings.Repeat("0", 64), "pcr11": values["snp_pcr11"]},
		"reported_tcb_bootloader": "4", "reported_tcb_microcode": "72", "reported_tcb_snp": "22", "reported_tcb_tee": "0",
		"platform_smt_enabled": "true", "platform_tsme_enabled": "false",
		"policy_abi_major": "0", "policy_abi_minor": "31", "policy_single_socket": "false", "policy_smt_allowed": "true",
		"policy_debug_allowed": "false", "policy_migrate_ma": "false",
	}
}

// comparison says that Trustee's default attestation policy wants a claim among the values of a reference, for an entry
// of the trust vector.
//
// The default attestation policy here is our transcription of the one in Trustee 0.21: no test evaluates Trustee's own.
type comparison struct{ entry, claim, reference string }

var comparisons = map[string][]comparison{
	"snp": {
		{"executables", "measurement", "snp_launch_measurement"},
		{"hardware", "reported_tcb_bootloader", "snp_bootloader"},
		{"hardware", "reported_tcb_microcode", "snp_microcode"},
		{"hardware", "reported_tcb_snp", "snp_snp_svn"},
		{"hardware", "reported_tcb_tee", "snp_tee_svn"},
	},
	"az-snp-vtpm": {
		{"executables", "measurement", "measurement"},
		{"executables", "pcr11", "snp_pcr11"},
		{"hardware", "reported_tcb_bootloader", "tcb_bootloader"},
		{"hardware", "reported_tcb_microcode", "tcb_microcode"},
		{"hardware", "reported_tcb_snp", "tcb_snp"},
		{"hardware", "reported_tcb_tee", "tcb_tee"},
		{"configuration", "platform_smt_enabled", "smt_enabled"},
		{"configuration", "platform_tsme_enabled", "tsme_enabled"},
		{"configuration", "policy_abi_major", "abi_major"},
		{"configuration", "policy_abi_minor", "abi_minor"},
		{"configuration", "policy_single_socket", "single_socket"},
		{"configuration", "policy_smt_allowed", "smt_allowed"},
	},
}

// attempt is one guest's request for the key, and Trustee's state at that time.
type attempt struct {
	hardware   string
	claims     map[string]any
	initData   string // as the hardware reports it
	references map[string][]any
	plugin     string
	path       any
	named      string                   // the hardware, in the token
	submod     string                   // the token's part for it
	edit       func(cpu map[string]any) // of the finished part
}

// appraise returns the trust vector of Trustee's default attestation policy, and the status that follows from it (AR4SI):
// an entry is affirming up to 31, a warning up to 95, and contraindicated above.
func (a attempt) appraise() (vector map[string]int, status string) {
	vector = map[string]int{"executables": 3, "hardware": 2, "configuration": 3}
	refused := map[string]int{"executables": 33, "hardware": 97, "configuration": 36}
	for _, c := range comparisons[a.hardware] {
		if !slices.Contains(a.references[c.reference], holder(a.claims, c.claim)[c.claim]) {
			vector[c.entry] = refused[c.entry]
		}
	}
	if a.hardware == "snp" && (a.claims["policy_debug_allowed"] != false || a.claims["policy_migrate_ma"] != false) {
		vector["configuration"] = refused["configuration"]
	}
	switch worst := slices.Max(slices.Collect(maps.Values(vector))); {
	case worst <= 31:
		return vector, "affirming"
	case worst <= 95:
		return vector, "warning"
	default:
		return vector, "contraindicated"
	}
}

// holder returns the claims that a claim is among: those of the vTPM have a place of their own.
func holder(claims map[string]any, name string) map[string]any {
	if registers, ok := claims["tpm"].(map[string]any); ok && strings.HasPrefix(name, "pcr") {
		return registers
	}
	return claims
}

// forms are the two forms of Trustee's token (EAR): that of the releases up to 0.21, and draft 04's, which was in review
// when Trustee 0.22 was released.
var forms = map[string]func(a attempt, vector map[string]int, status string) map[string]any{
	"0.21": func(a attempt, vector map[string]int, status string) map[string]any {
		return map[string]any{
			"ear.status":                      status,
			"ear.trustworthiness-vector":      vector,
			"ear.appraisal-policy-id":         "default",
			"ear.veraison.annotated-evidence": map[string]any{"init_data": a.initData, "report_data": strings.Repeat("3c", 64), a.named: a.claims},
		}
	},
	"draft 04": func(a attempt, vector map[string]int, status string) map[string]any {
		return map[string]any{
			"ear_status":                 status,
			"ear_trustworthiness_vector": vector,
			"ear_appraisal_policy_ids":   []any{"default"},
			"ear_attester_claims":        map[string]any{"tee": a.named, "claims": a.claims, "init_data": a.initData, "report_data": strings.Repeat("3c", 64)},
		}
	},
}

// token returns the claims of Trustee's token for the guest, in one of the forms.
func (a attempt) token(form string) map[string]any {
	vector, status := a.appraise()
	cpu := forms[form](a, vector, status)
	if a.edit != nil {
		a.edit(cpu)
	}
	return map[string]any{"iss": "CoCo-Attestation-Service", "submods": map[string]any{a.submod: cpu}}
}
