package manifests_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// referenceValues fill in deploy/coco/reference-values.
var referenceValues = map[string]map[string]string{
	"snp": {
		"snp_launch_measurement": strings.Repeat("1a", 48),
		"snp_bootloader":         "4", "snp_microcode": "72", "snp_snp_svn": "22", "snp_tee_svn": "0",
	},
	"az-snp-vtpm": {
		"measurement":    strings.Repeat("AbC+", 16),
		"snp_pcr11":      strings.Repeat("2b", 32),
		"tcb_bootloader": "4", "tcb_microcode": "72", "tcb_snp": "22", "tcb_tee": "0",
		"smt_enabled": "true", "tsme_enabled": "false", "abi_major": "0", "abi_minor": "31",
		"single_socket": "false", "smt_allowed": "true",
	},
}

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

// token returns the claims of Trustee's token (EAR) for the guest.
func (a attempt) token() map[string]any {
	vector, status := a.appraise()
	cpu := map[string]any{
		"ear.status":                      status,
		"ear.trustworthiness-vector":      vector,
		"ear.appraisal-policy-id":         "default",
		"ear.veraison.annotated-evidence": map[string]any{"init_data": a.initData, "report_data": strings.Repeat("3c", 64), a.named: a.claims},
	}
	if a.edit != nil {
		a.edit(cpu)
	}
	return map[string]any{"iss": "CoCo-Attestation-Service", "submods": map[string]any{a.submod: cpu}}
}

// prepared is a Trustee that the scripts prepared for the pod of the overlay coco.
type prepared struct {
	*cocoScripts
	hardware   string
	policy     string
	references map[string][]any
	hash       string // of the pod's initdata
}

func prepare(t *testing.T, hardware string) *prepared {
	t.Helper()
	c := newCoCoScripts(t, hardware)
	c.fillIn(hardware)
	p := &prepared{cocoScripts: c, hardware: hardware, references: map[string][]any{}}
	p.hash = strings.TrimSpace(c.must("deploy/coco/initdata coco policy.rego"))
	c.must("deploy/coco/trustee reference-values && deploy/coco/trustee policy")
	p.policy = c.read("bin/policy")
	for lines := bufio.NewScanner(strings.NewReader(c.read("bin/references"))); lines.Scan(); {
		if err := json.Unmarshal(lines.Bytes(), &p.references); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// fillIn fills in the reference values, as a user does.
func (c *cocoScripts) fillIn(hardware string) {
	c.t.Helper()
	for name, value := range referenceValues[hardware] {
		if shipped := c.read(referencesOf(hardware)); !strings.Contains(shipped, "\n"+name+"=set-") {
			c.t.Errorf("%s.env ships without %s:\n%s", hardware, name, shipped)
		}
		c.set(hardware, name, value)
	}
}

// set replaces a reference value by others.
func (c *cocoScripts) set(hardware, name string, values ...string) {
	c.t.Helper()
	text := regexp.MustCompile(`(?m)^`+name+`=.*\n`).ReplaceAllString(c.read(referencesOf(hardware)), "")
	for _, value := range values {
		text += name + "=" + value + "\n"
	}
	c.write(referencesOf(hardware), text)
}

func referencesOf(hardware string) string { return "deploy/coco/reference-values/" + hardware + ".env" }

// reported returns how the hardware reports initdata: on Azure as PCR 8, which held zeroes and was extended by the hash.
func reported(t *testing.T, hardware, hash string) string {
	t.Helper()
	sum, err := hex.DecodeString(hash)
	if err != nil || len(sum) != sha256.Size {
		t.Fatalf("hash %q: %v", hash, err)
	}
	if hardware == "az-snp-vtpm" {
		return fmt.Sprintf("%x", sha256.Sum256(append(make([]byte, sha256.Size), sum...)))
	}
	return hash
}

// good returns the attempt of the pod itself.
func (p *prepared) good() attempt {
	return attempt{
		hardware: p.hardware, claims: goodClaims(p.hardware), initData: reported(p.t, p.hardware, p.hash), references: maps.Clone(p.references),
		plugin: "resource", path: []any{"default", "key", "kafka-encryption-demo"}, named: p.hardware, submod: "cpu0",
	}
}

// releases evaluates the resource policy on a token's claims.
func (p *prepared) releases(a attempt, input any) bool {
	p.t.Helper()
	query, err := rego.New(rego.Query("data.policy.allow"), rego.Module("resource-policy.rego", p.policy),
		rego.Store(inmem.NewFromObject(map[string]any{"plugin": a.plugin, "resource-path": a.path, "query": map[string]any{}}))).PrepareForEval(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	results, err := query.Eval(p.t.Context(), rego.EvalInput(input))
	if err != nil {
		p.t.Fatal(err)
	}
	return results.Allowed()
}

// shapes are the two places where releases of Trustee give a token's claims to the resource policy.
var shapes = map[string]func(token map[string]any) any{
	"the claims": func(token map[string]any) any { return token },
	"a trust context": func(token map[string]any) any {
		return map[string]any{"trust_context": map[string]any{"attestation_summary": map[string]any{"verification_result": true, "claims": token}}}
	},
}

// Without this Trustee would refuse the pod that it was prepared for, which then shows ciphertext for ever.
func TestTheMeasuredPodGetsTheKey(t *testing.T) {
	t.Parallel()
	for hardware := range referenceValues {
		t.Run(hardware, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, hardware)
			for shape, input := range shapes {
				for _, path := range []any{[]any{"default", "key", "kafka-encryption-demo"}, "/default/key/kafka-encryption-demo"} {
					a := p.good()
					a.path = path
					if vector, status := a.appraise(); status != "affirming" {
						t.Fatalf("%s: %v with the reference values %v", status, vector, p.references)
					}
					if !p.releases(a, input(a.token())) {
						t.Errorf("%s, path %v: refused:\n%s", shape, path, p.policy)
					}
				}
			}
		})
	}
}

// Without this Trustee would give the key to somebody else: to a guest that its host can debug or move, to another
// image, firmware or pod, or to one for which nobody said what is good.
func TestNobodyElseGetsTheKey(t *testing.T) {
	t.Parallel()
	for hardware := range referenceValues {
		t.Run(hardware, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, hardware)
			other := map[string]string{"snp": "az-snp-vtpm", "az-snp-vtpm": "snp"}[hardware]
			allowed := map[string]any{"snp": true, "az-snp-vtpm": "true"}[hardware]
			c := p.cocoScripts
			c.write("debug.rego", "package agent_policy\ndefault ReadStreamRequest := true\n")
			debugHash := strings.TrimSpace(c.must("deploy/coco/initdata coco-debug debug.rego"))

			deviations := map[string]func(a *attempt){
				"debugging is allowed":            func(a *attempt) { a.claims["policy_debug_allowed"] = allowed },
				"nothing is said about debugging": func(a *attempt) { delete(a.claims, "policy_debug_allowed") },
				"migration is allowed":            func(a *attempt) { a.claims["policy_migrate_ma"] = allowed },
				"nothing is said about migration": func(a *attempt) { delete(a.claims, "policy_migrate_ma") },
				"the debug variant":               func(a *attempt) { a.initData = reported(t, hardware, debugHash) },
				"other initdata":                  func(a *attempt) { a.initData = strings.Repeat("4d", 32) },
				"as other hardware reports it":    func(a *attempt) { a.initData = reported(t, other, p.hash) },
				"no initdata":                     func(a *attempt) { a.initData = "" },
				"other hardware":                  func(a *attempt) { a.named = other },
				"a sample without hardware":       func(a *attempt) { a.named = "sample" },
				"a warning":                       func(a *attempt) { a.edit = setStatus("warning") },
				"contraindicated":                 func(a *attempt) { a.edit = setStatus("contraindicated") },
				"nothing asserted":                func(a *attempt) { a.edit = setStatus("none") },
				"no status":                       func(a *attempt) { a.edit = func(cpu map[string]any) { delete(cpu, "ear.status") } },
				"another form of token": func(a *attempt) {
					a.edit = func(cpu map[string]any) {
						cpu["ear_status"], cpu["ear_attester_claims"] = cpu["ear.status"], map[string]any{"tee": hardware, "claims": a.claims, "init_data": a.initData}
						delete(cpu, "ear.status")
						delete(cpu, "ear.veraison.annotated-evidence")
					}
				},
				"another processor":        func(a *attempt) { a.submod = "gpu0" },
				"another plugin":           func(a *attempt) { a.plugin = "pkcs11" },
				"another resource":         func(a *attempt) { a.path = []any{"default", "key", "other"} },
				"a longer path":            func(a *attempt) { a.path = []any{"default", "key", "kafka-encryption-demo", "x"} },
				"a longer path in one":     func(a *attempt) { a.path = "/default/key/kafka-encryption-demo/x" },
				"the path below a plugin":  func(a *attempt) { a.path = "resource/default/key/kafka-encryption-demo" },
				"a path of another type":   func(a *attempt) { a.path = 1 },
				"all values are of others": func(a *attempt) { a.references = nil },
			}
			for _, c := range comparisons[hardware] {
				deviations["other "+c.claim] = func(a *attempt) { holder(a.claims, c.claim)[c.claim] = "other" }
				deviations["no reference value "+c.reference] = func(a *attempt) { delete(a.references, c.reference) }
			}
			for name, deviate := range deviations {
				for shape, input := range shapes {
					a := p.good()
					deviate(&a)
					if _, status := a.appraise(); hardware == "az-snp-vtpm" && name == "debugging is allowed" && status != "affirming" {
						t.Errorf("%s: %s, so this shows nothing about the resource policy", name, status)
					}
					if p.releases(a, input(a.token())) {
						t.Errorf("%s, in %s: gets the key", name, shape)
					}
				}
			}
			for name, input := range map[string]any{
				"no token": nil, "an empty token": map[string]any{}, "no attestation": map[string]any{"submods": map[string]any{}},
			} {
				if p.releases(p.good(), input) {
					t.Errorf("%s: gets the key", name)
				}
			}
		})
	}
}

func setStatus(status string) func(cpu map[string]any) {
	return func(cpu map[string]any) { cpu["ear.status"] = status }
}

// Without this a value that is missing or spelled differently would reach Trustee, whose operator then wonders why no
// guest gets the key.
func TestReferenceValuesAreCheckedFirst(t *testing.T) {
	t.Parallel()
	for hardware, values := range referenceValues {
		t.Run(hardware, func(t *testing.T) {
			t.Parallel()
			c := newCoCoScripts(t, hardware)
			c.fillIn(hardware)
			for spelling, bad := range map[string]func(good string) []string{
				"missing":      func(string) []string { return nil },
				"empty":        func(string) []string { return []string{""} },
				"as shipped":   func(string) []string { return []string{"set-it"} },
				"twice":        func(good string) []string { return []string{good, good} },
				"with a space": func(good string) []string { return []string{good + " "} },
				"too long":     func(good string) []string { return []string{"0" + good} },
				"too large":    func(string) []string { return []string{"256"} },
				"upper case":   func(good string) []string { return []string{strings.ToUpper(good) + "A"} },
			} {
				for name, good := range values {
					c.set(hardware, name, bad(good)...)
				}
				out, err := c.run("deploy/coco/trustee reference-values")
				for name := range values {
					if err == nil || !strings.Contains(out, name+" in ") {
						t.Errorf("%s, %s: %v\n%s", name, spelling, err, out)
					}
				}
			}
			c.wasNotAsked()
		})
	}
}
