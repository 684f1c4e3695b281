package manifests_test

import (
	"regexp"
	"strings"
	"testing"
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
