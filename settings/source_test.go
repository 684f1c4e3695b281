package settings_test

import (
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/settings"
)

// Without it a trusted key in the environment could be ignored in favour of a file that somebody else may change, or
// would be read by other rules than the file.
func TestSource(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "hunter2"), "\ufeffone\r\ntwo\r\n")
	for name, test := range map[string]struct {
		text, path, variable, want, err string
	}{
		"neither":     {"", "", "", "", ""},
		"text":        {"\ufeffone\r\ntwo\r\n", "", "ANCHOR", "one\ntwo\n", ""},
		"file":        {"", path, "ANCHOR_FILE", "one\ntwo\n", ""},
		"both":        {"hunter2", path, "", "", "ANCHOR and ANCHOR_FILE: both are set (hint: keep one)"},
		"both, alike": {"\ufeffone\r\ntwo\r\n", path, "", "", "ANCHOR and ANCHOR_FILE: both are set (hint: keep one)"},
		"white space": {" \r\n\t", "", "ANCHOR", "", "ANCHOR: the text is empty"},
		"too large":   {strings.Repeat("x", 1<<20+1), "", "ANCHOR", "", "ANCHOR: the text is larger than 1048576 bytes"},
		"just so":     {strings.Repeat("x", 1<<20), "", "ANCHOR", strings.Repeat("x", 1<<20), ""},
		"no file":     {"", "/hunter2", "ANCHOR_FILE", "", "ANCHOR_FILE: reading the file: no such file or directory"},
	} {
		source, err := settings.OneOf("ANCHOR", test.text, test.path)
		var got []byte
		if err == nil && source.IsSet() {
			got, err = source.Read()
		}
		failed := ""
		if err != nil {
			failed = err.Error()
		}
		if string(got) != test.want || source.Variable != test.variable || source.IsSet() != (test.variable != "") || failed != test.err {
			t.Errorf("%s: %d bytes from %q, %v", name, len(got), source.Variable, err)
		}
	}
}
