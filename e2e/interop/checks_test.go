package interop_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this, nobody would know which records a reader made from an example takes although ours refuses them, or the other way
// round. testdata/differences.txt lists them, and docs/interop.md says what they mean.
func TestExamplesOpenVectors(t *testing.T) {
	for name, e := range examples() {
		openers := map[string]func() []string{
			"java": func() []string {
				return []string{"java", "-cp", javaClasses(t), "testdata/Vectors.java"}
			},
			"python": func() []string { return []string{e.build(t)[0], "testdata/vectors_jwe.py"} },
			"node":   func() []string { return []string{"node", "testdata/vectors_jwe.mjs"} },
		}
		if openers[name] == nil {
			continue // it uses our code
		}
		t.Run(name, func(t *testing.T) {
			harness.Require(t, e.needs...)
			e.build(t)
			vectors := vectorsForExamples(t, e.envelope)
			got := openVectors(t, openers[name](), vectors)
			want := differences(t, name)
			for _, file := range slices.Sorted(maps.Keys(vectors)) {
				v := vectors[file]
				answer, difference := got[file], ""
				switch {
				case answer == "":
					t.Fatalf("%s: no answer", file)
				case v.outcome == "opened" && answer == "refused":
					difference = "refuses"
				case v.outcome != "opened" && answer != "refused":
					difference = "opens"
				case v.outcome == "opened" && answer != "="+v.plaintext:
					t.Errorf("%s: opened as %s, want %s", file, answer, v.plaintext)
				}
				if difference != want[file] {
					t.Errorf("%s: it %q in contrast to ours, which gives %s; listed is %q", file, difference, v.outcome, want[file])
				}
				delete(want, file)
			}
			for file := range want {
				t.Errorf("%s is listed, but not a vector for it", file)
			}
		})
	}
}

type exampleVector struct{ line, outcome, plaintext string }

// vectorsForExamples returns the vectors about one record, with a reader who holds a key and requires nothing.
func vectorsForExamples(t *testing.T, binary bool) map[string]exampleVector {
	t.Helper()
	files, err := filepath.Glob("../../envelope/testdata/vectors/*")
	if err != nil {
		t.Fatal(err)
	}
	vectors := make(map[string]exampleVector)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, record, _ := bytes.Cut(text, []byte("\n\n"))
		lines := make(map[string]string)
		for line := range strings.SplitSeq(string(head), "\n") {
			name, value, _ := strings.Cut(line, ": ")
			lines[name] = value
		}
		if lines["earlier"]+lines["require-formats"]+lines["require-senders"]+lines["allowed-readers"] != "" || lines["keys"] == "" ||
			lines["format"] == "rsa" || !binary && len(record) > 0 && record[0] == 0xC1 {
			continue
		}
		keys := strings.Fields(lines["keys"])
		for i, key := range keys {
			keys[i] = harness.Path(t, "envelope/testdata/keys/"+key)
		}
		name := filepath.Base(file)
		vectors[name] = exampleVector{
			line:    fmt.Sprintln(name, lines["topic"], strings.Join(keys, ","), base64.StdEncoding.EncodeToString(record)),
			outcome: lines["outcome"], plaintext: lines["plaintext"],
		}
	}
	if len(vectors) < 100 {
		t.Fatalf("only %d vectors", len(vectors))
	}
	return vectors
}

// openVectors returns what the reader made of each vector: "refused", or "=" and the message in hexadecimal.
func openVectors(t *testing.T, command []string, vectors map[string]exampleVector) map[string]string {
	t.Helper()
	var in, problems strings.Builder
	for _, v := range vectors {
		in.WriteString(v.line)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(in.String()), &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, problems.String())
	}
	answers := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, answer, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if answer != "refused" {
			answer = "=" + answer
		}
		answers[name] = answer
	}
	return answers
}

// differences returns how a reader differs from ours, by vector: "opens" or "refuses".
func differences(t *testing.T, reader string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	does := ""
	for line := range strings.SplitSeq(read(t, "testdata/differences.txt"), "\n") {
		switch fields := strings.Fields(line); {
		case len(fields) == 0 || fields[0] == "#":
		case fields[0] == "opens" || fields[0] == "refuses":
			does = fields[0]
		case slices.Contains(fields[1:], reader):
			found[fields[0]] = does
		}
	}
	return found
}
