package story_test

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this one wrong setting could start a page unprotected, or several would cost one restart each.
func TestConsumerRefusesWrongSettings(t *testing.T) {
	program := harness.Build(t, "consume")
	for name, test := range map[string]struct {
		settings, args []string
		code           int
		want           []string
	}{
		"access":                 {[]string{"WEB_ADDR=canary", "METRICS_ADDR=canary", "WEB_USERS_FILE=/canary", "WEB_TLS_CERT_FILE=/canary"}, nil, 2, []string{"WEB_ADDR: ", "METRICS_ADDR: ", "WEB_USERS_FILE: ", "WEB_TLS_CERT_FILE: ", "WEB_TLS_KEY_FILE: "}},
		"no address":             {[]string{"WEB_ADDR="}, nil, 2, []string{"WEB_ADDR: want HOST:PORT"}},
		"an argument":            {[]string{"WEB_ADDR=canary"}, []string{"check", "canary"}, 2, []string{"arguments: got 2", "(hint: flags start with a hyphen"}},
		"left out":               {[]string{"WEB_ATTESTED_ADDR=:canary", "REQUIRE_SENDER="}, []string{"-require=WEB_ADDR,WEB_ATTESTED_ADDR", "-require", "REQUIRE_SENDER,WEB_USERS"}, 2, []string{"wrong settings", "WEB_ADDR: is missing or empty", "WEB_USERS: is missing or empty", "REQUIRE_SENDER: is missing or empty", "WEB_ATTESTED_ADDR: want"}},
		"no certificate without": {nil, []string{"-make-certificate", "/canary", "-require=WEB_USERS"}, 2, []string{"WEB_USERS: is missing or empty"}},
		"nothing to check":       {[]string{"METRICS_ADDR="}, []string{"-check"}, 1, []string{"METRICS_ADDR is empty"}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
		cmd := exec.CommandContext(ctx, program, test.args...)
		cmd.Env = test.settings
		out, err := cmd.CombinedOutput()
		cancel()
		if cmd.ProcessState.ExitCode() != test.code {
			t.Errorf("%s: %v, want exit status %d", name, err, test.code)
		}
		for _, want := range test.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: want %q in: %s", name, want, out)
			}
		}
		if strings.Contains(string(out), "canary") {
			t.Errorf("%s: a value is in: %s", name, out)
		}
	}
}

// Without this the log would not say that everyone can read the page, or that no key is requested.
func TestOpenPageSaysSo(t *testing.T) {
	c := harness.Broker(t, 1)
	address := harness.FreeAddr(t)
	process := harness.Start(t, "consume", nil, "BROKERS="+strings.Join(c.ListenAddrs(), ","), "TOPIC="+harness.Topic, "WEB_ADDR="+address, "METRICS_ADDR=")
	p := &harness.Pod{T: t, Page: "http://" + address, Log: process.Log}
	p.Wait("the log warns of both", func() bool {
		return strings.Contains(p.Log.String(), "whoever reaches the page reads the messages") && strings.Contains(p.Log.String(), "no key is asked for")
	})
	p.Wait("the page warns", func() bool { return strings.Contains(string(p.Get(p.Page)), "no sign-in and no TLS") })
	process.Stop()
}

// Without this a typo would end in endless retries, in a pod that looks healthy.
func TestWrongSettingsEndThePrograms(t *testing.T) {
	t.Parallel()
	settings := []string{
		"PUBKEY=" + harness.PublicPEM(t, &harness.NewKey(t).PublicKey), "METRICS_ADDR=", "WEB_ADDR=127.0.0.1:0",
		"KAFKA_SECURITY_PROTOCOL=SASL_SSL", "KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "KAFKA_SASL_USER=" + harness.KafkaUser, "KAFKA_CA_FILE=/canary-path", "KAFKA_VERSION=9",
	}
	for _, name := range []string{"produce", "consume"} {
		p := harness.Start(t, name, nil, settings...)
		<-p.Done
		log := p.Log.String()
		wanted := []string{"KAFKA_CA_FILE: reading the file: no such file", "KAFKA_SASL_PASSWORD_FILE: is not set", "KAFKA_VERSION: want"}
		if p.ProcessState.ExitCode() != 2 || slices.ContainsFunc(wanted, func(want string) bool { return !strings.Contains(log, want) }) || strings.Contains(log, "canary") {
			t.Errorf("%s: status %d, %s", name, p.ProcessState.ExitCode(), log)
		}
	}
}
