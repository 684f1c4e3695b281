package manifests_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
)

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
	// Two appraisals that differ are an error, in Trustee's engine too: it gives nothing.
	if err != nil && !topdown.IsError(err) {
		p.t.Fatal(err)
	}
	return err == nil && results.Allowed()
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
					for form := range forms {
						if !p.releases(a, input(a.token(form))) {
							t.Errorf("%s, token of %s, path %v: refused:\n%s", shape, form, path, p.policy)
						}
					}
				}
			}
		})
	}
}

// Without this Trustee would give the key to somebody else: to a guest that its host can debug or move, to another
// image, firmware or pod, or to one for which nobody said what is good.
//
// The default attestation policy is our transcription: the rows "other ..." and "no reference value ..." test only that
// the resource policy reads ear.status. That Trustee gives such a guest another status is tested nowhere here.
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
				"no status": func(a *attempt) {
					a.edit = func(cpu map[string]any) { delete(cpu, "ear.status"); delete(cpu, "ear_status") }
				},
				"a status of the other form": func(a *attempt) {
					a.edit = func(cpu map[string]any) { cpu["ear.status"], cpu["ear_status"] = cpu["ear_status"], cpu["ear.status"] }
				},
				"two tokens in one, of which one is good": func(a *attempt) {
					bad := *a
					bad.claims = map[string]any{"policy_debug_allowed": allowed, "policy_migrate_ma": false}
					a.edit = func(cpu map[string]any) {
						for _, form := range forms {
							for name, claim := range form(bad, nil, "affirming") {
								if cpu[name] == nil {
									cpu[name] = claim
								}
							}
						}
					}
				},
				"no hardware named":        func(a *attempt) { a.named = "" },
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
					for form := range forms {
						if p.releases(a, input(a.token(form))) {
							t.Errorf("%s, in %s, token of %s: gets the key", name, shape, form)
						}
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
	return func(cpu map[string]any) {
		for _, name := range []string{"ear.status", "ear_status"} {
			if cpu[name] != nil {
				cpu[name] = status
			}
		}
	}
}
