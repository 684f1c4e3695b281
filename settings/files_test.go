package settings_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/settings"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Without it a key that was edited on Windows would be refused, or a file of any length would fill the memory.
func TestReadFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text, want, err string
	}{
		"as it is":     {"one\ntwo", "one\ntwo", ""},
		"Windows":      {"\ufeffone\r\ntwo\r\n", "one\ntwo\n", ""},
		"old Mac":      {"one\rtwo\r", "one\ntwo\n", ""},
		"mark inside":  {"one\ufeff", "one\ufeff", ""},
		"empty":        {"", "", "KEY_FILE: the file is empty"},
		"white space":  {" \r\n\t", "", "KEY_FILE: the file is empty"},
		"too large":    {strings.Repeat("x", 1<<20+1), "", "KEY_FILE: the file is larger than 1048576 bytes"},
		"just so":      {strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20), ""},
		"carriage end": {"one\r", "one\n", ""},
	} {
		got, err := settings.ReadFile("KEY_FILE", write(t, filepath.Join(t.TempDir(), "hunter2"), test.text))
		if string(got) != test.want || err == nil && test.err != "" || err != nil && err.Error() != test.err {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
	}
	_, err := settings.ReadFile("KEY_FILE", "/hunter2")
	var wrong *settings.Error
	if !errors.As(err, &wrong) || wrong.Variable != "KEY_FILE" || !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("no file: %v", err)
	}
}

// Without it a password file with two lines would sign in with a password that nobody set.
func TestReadLine(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{"hunter2": true, "hunter2\n": true, "hunter2\r\n": true, "hunter2\n\n": false, "a\nhunter2": false, "hunter2\x00": false, "\xffhunter2": false} {
		got, err := settings.ReadLine("PASSWORD_FILE", write(t, filepath.Join(t.TempDir(), "password"), text))
		if (err == nil) != ok || ok && got != "hunter2" || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

// Without it a changed file would not be taken up, a broken one would be, or the log would fill with one complaint.
func TestReloader(t *testing.T) {
	t.Parallel()
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	var used string
	r := settings.Reloader{
		Sources: []settings.Source{{Variable: "A_FILE", Path: a}, {Variable: "B_FILE", Path: b}},
		Use: func(texts [][]byte, changed bool) error {
			text := string(texts[0]) + "+" + string(texts[1])
			if strings.Contains(text, "bad") {
				return errors.New("bad")
			}
			if changed != (text != used) {
				t.Errorf("changed is %v, from %q to %q", changed, used, text)
			}
			used = text
			return nil
		},
	}
	for i, step := range []struct {
		a, b, used      string
		changed, repeat bool
		err             string
	}{
		{"", "1", "", false, false, "A_FILE: the file is empty"},
		{"", "1", "", false, true, "A_FILE: the file is empty"},
		{"1", "1", "1+1", true, false, ""},
		{"1", "1", "1+1", false, false, ""},
		{"1", "bad", "1+1", false, false, "bad"},
		{"1", "bad", "1+1", false, true, "bad"},
		{"1", "1", "1+1", false, false, ""},
		{"1", "bad", "1+1", false, false, "bad"}, // reported again after a success
		{"11", "", "1+1", false, false, "B_FILE: the file is empty"},
		{"11", "1", "11+1", true, false, ""},
		{"1", "11", "1+11", true, false, ""},
	} {
		write(t, a, step.a)
		write(t, b, step.b)
		got := r.Reload()
		failed := ""
		if got.Err != nil {
			failed = got.Err.Error()
		}
		if got.Changed != step.changed || got.Repeat != step.repeat || failed != step.err || used != step.used {
			t.Errorf("step %d: got %+v with %q in use", i, got, used)
		}
	}
}
