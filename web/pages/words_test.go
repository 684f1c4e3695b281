package pages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"

	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/locale"
	"kafka-e2ee/web/podstatus"
)

// pluralForms are those that each language needs (CLDR): the texts with other forms than these would be wrong for some number.
var pluralForms = map[string][]string{"en": {"one", "other"}, "ja": {"other"}}

// messages reads a file of texts.
func messages(t *testing.T, lang string) map[string]*i18n.Message {
	t.Helper()
	path := "../locales/" + lang + ".toml"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := i18n.ParseMessageFileBytes(text, path, map[string]i18n.UnmarshalFunc{"toml": toml.Unmarshal})
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]*i18n.Message)
	for _, m := range file.Messages {
		all[m.ID] = m
	}
	return all
}

// forms are a text's plural forms, by their names.
func forms(m *i18n.Message) map[string]string {
	all := map[string]string{"zero": m.Zero, "one": m.One, "two": m.Two, "few": m.Few, "many": m.Many, "other": m.Other}
	maps.DeleteFunc(all, func(_, text string) bool { return strings.TrimSpace(text) == "" })
	return all
}

// Without this a page would have holes, or braces, in one of its languages.
func TestEveryTextIsInBothLanguages(t *testing.T) {
	placeholder := regexp.MustCompile(`\{[^}]*\}`)
	placeholders := func(m *i18n.Message) []string {
		var all []string
		for _, text := range forms(m) {
			all = append(all, placeholder.FindAllString(text, -1)...)
		}
		return slices.Compact(slices.Sorted(slices.Values(all)))
	}
	english, japanese := messages(t, "en"), messages(t, "ja")
	if len(english) < 300 {
		t.Fatalf("only %d texts were read", len(english))
	}
	for id, en := range english {
		ja := japanese[id]
		if ja == nil || len(forms(en)) == 0 || len(forms(ja)) == 0 {
			t.Errorf("%s is missing or empty in a language", id)
			continue
		}
		if got, want := placeholders(ja), placeholders(en); !slices.Equal(got, want) {
			t.Errorf("%s: placeholders %v in English, %v in Japanese", id, want, got)
		}
	}
	for id := range japanese {
		if english[id] == nil {
			t.Errorf("%s is in Japanese only", id)
		}
	}
}

// families are the ids that the program puts together at run time: a prefix, and all that can follow it.
func families() map[string][]string {
	who := []string{"verified", "unsigned", "nobody_trusted", "unknown", "bad_signature", "unchecked"}
	steps := []string{"sidecar", "attestation", "identity", "vault", "policy", "key"}
	reasons := []string{"algorithm", "algorithm_unnamed", "extension", "serialization", "undecryptable_rsa", "needs_header_missing", "tombstone_no_key", "rejected_plain", "rejected_format", "rejected_unsigned", "rejected_bad_signature", "rejected_sender", "rejected_reader", "rejected_stale"}
	providers := []string{"skr", "cdh", "file"}
	claims := []string{
		"iss", "x-ms-attestation-type", "x-ms-compliance-status", "x-ms-sevsnpvm-hostdata", claimDebuggable, "x-ms-sevsnpvm-vmpl", "x-ms-sevsnpvm-launchmeasurement",
		"x-ms-sevsnpvm-bootloader-svn", "x-ms-sevsnpvm-tee-svn", "x-ms-sevsnpvm-snpfw-svn", "x-ms-sevsnpvm-microcode-svn",
	}
	attestations := names(podstatus.AttestationChecked, podstatus.AttestationUnchecked, podstatus.AttestationFailed)
	return map[string][]string{
		"error.":             {"host", "client_certificate", "password", "too_many_passwords", "too_many_streams", "too_busy", "too_many_requests", "cross_site", "no_such_address", "method", "no_token", "not_held", "no_such_part", "rejected", "export_off"},
		"access.":            {"no_sign_in", "no_sign_in_no_tls"},
		"connection.":        {"no_attestation", "tls", "plain"},
		"shortcuts.key.":     shortcuts(),
		"column.":            columns(),
		"record.state.":      append(names(feed.States()...), "any"),
		"record.rejected.":   names(feed.RejectReasons()...),
		"record.why.":        append(names(feed.States()...), reasons...),
		"sender.state.":      append(names(feed.SenderStates()...), "any"),
		"sender.short.":      who,
		"sender.why.":        who,
		"flag.short.":        {"stale", "repeat", "gap", "late", "unfollowed", "moved", "unbound", "readers"},
		"view.":              {"value", "wire"},
		"part.":              {"value", "wire", "key"},
		"part.kind.":         {"text", "json", "hex"},
		"fact.":              {"topic", "partition", "offset", "format", "key", "readers", "signer", "data_key", "counter", "issued", "expires"},
		"kafka.":             {"connecting", "connecting_slow", "unreachable", "refused", "no_topic"},
		"key.state.":         {"not_configured", "incomplete", "waiting", "busy", "unavailable", "no_proof", "starting", "elsewhere", "released", "from_file", "no_file", "held", "unexpected"},
		"key.todo.":          {"not_configured", "incomplete", "waiting", "busy", "from_file", "released", "held"},
		"key.refused.":       steps,
		"key.step.":          steps,
		"key.via.":           providers,
		"key.unproven.":      providers,
		"key.reported.":      {"skr", "cdh"},
		"key.nobody.":        {"skr", "cdh"},
		"key.unreachable.":   {"skr", "cdh"},
		"attestation.title.": attestations,
		"card.measured_by.":  attestations,
		"check.result.":      names(podstatus.CheckEqual, podstatus.CheckDifferent, podstatus.CheckNotChecked),
		"kafka.cause.":       names(kafkaconf.Codes()...),
		"key.cause.":         names(skrclient.Causes()...),
		"key.hint.":          names(skrclient.Causes()...),
		"claim.name.":        claims,
		"claim.about.":       claims,
		"claim.todo.":        {"iss", "x-ms-attestation-type", "x-ms-compliance-status", "x-ms-sevsnpvm-hostdata", claimDebuggable},
		"name.":              {"confidential", "ordinary"},
		"problem.about.":     names(feed.Problems()...),
		"problem.count.":     names(feed.Problems()...),
		"notice.":            {"lab", "lab_ordinary", podstatus.NoticeCredentialsInClear},
	}
}

func names[S ~string](all ...S) []string {
	var list []string
	for _, name := range all {
		list = append(list, string(name))
	}
	return list
}

// usedIDs finds the ids that the pages and their server ask for, by T and by N.
func usedIDs(t *testing.T) (plain, plural map[string]bool) {
	t.Helper()
	plain, plural = make(map[string]bool), make(map[string]bool)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	handlers, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, handlers...)
	known, used := families(), make(map[string]bool)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			function, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || function.Sel.Name != "T" && function.Sel.Name != "N" {
				return true
			}
			found := plain
			if function.Sel.Name == "N" {
				found = plural
			}
			switch id := call.Args[0].(type) {
			case *ast.BasicLit:
				found[unquoted(t, id)] = true
				return true
			case *ast.BinaryExpr:
				if prefix, ok := id.X.(*ast.BasicLit); ok {
					family, ok := known[unquoted(t, prefix)]
					if !ok {
						t.Errorf("%s asks for texts of %s, which is not among the families", path, prefix.Value)
					}
					used[unquoted(t, prefix)] = true
					for _, name := range family {
						found[unquoted(t, prefix)+name] = true
					}
					return true
				}
			}
			t.Errorf("%s asks for a text whose id is neither a literal nor begins with one", path)
			return true
		})
	}
	for prefix := range known {
		if !used[prefix] {
			t.Errorf("nobody asks for texts of %s", prefix)
		}
	}
	return plain, plural
}

func unquoted(t *testing.T, literal *ast.BasicLit) string {
	t.Helper()
	text, err := strconv.Unquote(literal.Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Without this the page would say nothing in a place, or a translator would translate what nobody sees.
func TestEveryTextIsUsed(t *testing.T) {
	plain, plural := usedIDs(t)
	all := messages(t, "en")
	for _, id := range slices.Sorted(maps.Keys(plain)) {
		if all[id] == nil {
			t.Errorf("there is no text %s", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if !plain[id] && !plural[id] {
			t.Errorf("nobody asks for the text %s", id)
		}
	}
}

// Without this the page would say "1 attempts", or nothing for a number that a form is missing for.
func TestPluralForms(t *testing.T) {
	plain, plural := usedIDs(t)
	for lang, want := range pluralForms {
		all := messages(t, lang)
		for id, m := range all {
			got := slices.Sorted(maps.Keys(forms(m)))
			switch {
			case plural[id] && !slices.Equal(got, want):
				t.Errorf("%s in %s: has the forms %v, needs %v", id, lang, got, want)
			case plain[id] && !slices.Equal(got, []string{"other"}):
				t.Errorf("%s in %s: is asked for without a number and has the forms %v", id, lang, got)
			}
		}
		for id := range plural {
			if all[id] == nil {
				t.Errorf("%s in %s is missing", id, lang)
			}
		}
	}
	languages, err := locale.Read(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"0 attempts", "1 attempt", "2 attempts", "21 attempts"}, {"試行 0 回", "試行 1 回", "試行 2 回", "試行 21 回"}} {
		for j, n := range []int{0, 1, 2, 21} {
			if got := languages.All()[i].N("key.tried.attempts", n); got != want[j] {
				t.Errorf("got %q, want %q", got, want[j])
			}
		}
	}
}
