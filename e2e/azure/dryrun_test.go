package azure_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this a dry run could claim that things are ready, checked or deleted, and the user would rely on it.
func TestAzureDryRunClaimsNothing(t *testing.T) {
	t.Parallel()
	for name, wants := range map[string][]string{
		"kata-cc":          {"would be making the cluster mine", "would be deleting the identity pod-identity"},
		"confidential-aci": {"would be installing virtual nodes", "would be deleting the network mine-network"},
		"container-group":  {"would be deploying the container group kafka-golang-consumer", "would be deleting the namespace demo-events"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onPlatform(t, name)
			fresh := s.must("all", "round-trip", "--dry-run")
			s.must("all")
			s.world.Calls()
			before := s.resources()
			down := s.must("all", "down", "--dry-run")
			if calls := s.world.Calls(); len(calls) > 0 || fmt.Sprint(s.resources()) != fmt.Sprint(before) {
				t.Errorf("it ran %d commands", len(calls))
			}
			said := regexp.MustCompile(`^(# )?[0-9]{2}-[a-z]+\.sh: `)
			would := 0
			for line := range strings.Lines(fresh + down) {
				if !said.MatchString(line) {
					continue // a command
				}
				if strings.Contains(line, "would ") {
					would++
				} else if !strings.Contains(line, "there is nothing to delete") {
					t.Errorf("a dry run says: %s", line)
				}
			}
			if would < 40 {
				t.Errorf("it prints only %d planned actions", would)
			}
			for _, want := range append(wants, "would delete everything in the record") {
				if !strings.Contains(fresh+down, want) {
					t.Errorf("%q is missing", want)
				}
			}
		})
	}
}

// Without this a mistyped address range could open the page to nobody, or to more people than intended, and Azure would
// report it an hour later or never.
func TestAzureRange(t *testing.T) {
	t.Parallel()
	ranges := []string{
		"999.1.1.1/99", "203.0.113.7/32", "203.0.113.7/33", "203.0.113.7", "203.0.113.256/32", "203.0.113.07/32", "203.0.113.7/032", "203.0.113/24", "203.0.113.0.0/24",
		"203.0.113.7/24", "10.128.0.0/9", "10.64.0.0/9", "0.0.0.0/0", "2001:db8::/64", "2001:db8::1/64", "2001:db8::1/128", "::/0", "::1/128", "::1/129", ":::/0", "1::2::3/128",
		"1:2:3:4:5:6:7:8/128", "1:2:3:4:5:6:7:8:9/128", "1:2:3:4:5:6:7::/112", "1:2:3:4:5:6:7::8/128", "12345::/128", "g::/16", ":1::/32", "1:/16", "", "/", "everybody", " 203.0.113.7/32",
		"203.0.113.7/-1", "203.0.113.7/1e1", "fe80::1%eth0/128", "::ffff:203.0.113.7/128",
	}
	for range 200 {
		bits := make([]byte, 4+12*rand.N(2))
		for i := range bits {
			bits[i] = byte(rand.N(256) & rand.N(256)) // with many zeros
		}
		address, _ := netip.AddrFromSlice(bits)
		prefix := netip.PrefixFrom(address, rand.N(len(bits)*8+1))
		ranges = append(ranges, prefix.String(), prefix.Masked().String())
	}
	script := ". " + harness.Path(t, "deploy/azure/ranges.sh") + "\nset -euo pipefail\nwhile IFS= read -r line; do if isRange \"$line\"; then echo yes; else echo no; fi; done"
	command := exec.Command("bash", "-c", script)
	command.Stdin = strings.NewReader(strings.Join(ranges, "\n") + "\n")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	answers := strings.Fields(string(out))
	if len(answers) != len(ranges) {
		t.Fatalf("%d answers to %d questions: %s", len(answers), len(ranges), out)
	}
	for i, text := range ranges {
		prefix, err := netip.ParsePrefix(text)
		want := err == nil && prefix == prefix.Masked() && !prefix.Addr().Is4In6()
		if answers[i] != map[bool]string{true: "yes", false: "no"}[want] {
			t.Errorf("%q: %s", text, answers[i])
		}
	}
	s := newShell(t, "demovault.vault.azure.net")
	for value, wrong := range map[string]bool{"999.1.1.1/99": true, "203.0.113.7/24": true, "2001:db8::/64": false, "RANGE": true} {
		s.given["SOURCE_RANGE"] = value
		if out, err := s.run("01-check.sh"); (err != nil) != wrong || wrong && !strings.Contains(out, "SOURCE_RANGE is wrong") {
			t.Errorf("SOURCE_RANGE=%s: %v: %s", value, err, out)
		}
	}
}
