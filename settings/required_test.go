package settings_test

import (
	"flag"
	"io"
	"strings"
	"testing"

	"kafka-e2ee/settings"
)

// Without this whoever deploys a measured pod could leave out the variable that asks for a password or a signature, under
// the same policy, and the program would start without it.
func TestRequired(t *testing.T) {
	t.Parallel()
	var cfg struct {
		Users  string `envconfig:"WEB_USERS"`
		Nested struct {
			Addr string `envconfig:"WEB_ADDR" default:":3333"`
		}
		Fresh bool `envconfig:"REQUIRE_FRESH"`
	}
	all := map[string]string{"WEB_USERS": "secretish", "WEB_ADDR": "none", "REQUIRE_FRESH": "true"}
	for name, test := range map[string]struct {
		args  []string
		unset string // instead of its value in all
		value string // of that variable, if it is not empty
		want  []string
	}{
		"nothing required":    {nil, "WEB_USERS", "", nil},
		"all there":           {[]string{"-require=WEB_USERS,WEB_ADDR", "-require", "REQUIRE_FRESH"}, "", "", nil},
		"one missing":         {[]string{"-require=WEB_ADDR,WEB_USERS"}, "WEB_USERS", "", []string{"WEB_USERS: is missing or empty"}},
		"missing default":     {[]string{"-require=WEB_ADDR"}, "WEB_ADDR", "", []string{"WEB_ADDR: is missing or empty"}},
		"blank":               {[]string{"-require=WEB_ADDR"}, "WEB_ADDR", " \n", []string{"WEB_ADDR: is missing or empty"}},
		"misspelt":            {[]string{"-require=WEB_USER"}, "", "", []string{"WEB_USER: the flag -require names it, but no setting"}},
		"all problems":        {[]string{"-require=WEB_USERS", "-require=WEB_USER,WEB_USERS"}, "WEB_USERS", "", []string{"WEB_USER: ", "WEB_USERS: "}},
		"no name":             {[]string{"-require="}, "", "", []string{"want names of variables"}},
		"a space, not a name": {[]string{"-require=WEB_USERS, WEB_ADDR"}, "", "", []string{" WEB_ADDR: the flag"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var required settings.Required
			flags := flag.NewFlagSet("test", flag.ContinueOnError)
			flags.SetOutput(io.Discard)
			flags.Var(&required, "require", settings.RequiredUsage)
			err := flags.Parse(test.args)
			if err == nil {
				err = required.Check(&cfg, func(variable string) (string, bool) {
					if variable == test.unset {
						return test.value, test.value != ""
					}
					value, set := all[variable]
					return value, set
				})
			}
			if (err == nil) != (test.want == nil) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "\n") >= len(test.want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}
