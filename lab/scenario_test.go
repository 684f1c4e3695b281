package lab_test

import (
	"bytes"
	"strings"
	"testing"

	"kafka-e2ee/lab"
)

// "make help" would promise a list that does not exist.
func TestHelpListsScenarios(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := lab.Run(t.Context(), lab.Config{Scenario: "help"}, nil, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  good ", "got the key", "  tampered ", "  debug ", "  no-role ", "  late ", "  rotate ", "  throttled ", "  impostor ", "  ordinary "} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("want %q once in:\n%s", want, &out)
		}
	}
}

// A typo would be reported below a greeting that says that all is well.
func TestMistakesAreReportedFirst(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]lab.Config{
		"hint: rsa, envelope-unsigned, envelope, jwe": {Format: "foo"},
		"hint: msg, payments":                         {Data: "foo", Format: "rsa"},
		"hint: good, tampered":                        {Scenario: "foo", Format: "rsa"},
	} {
		var out bytes.Buffer
		if err := lab.Run(t.Context(), cfg, nil, &out); err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%+v: got error %v after printing %q, want one about %q and nothing printed", cfg, err, &out, want)
		}
	}
}
