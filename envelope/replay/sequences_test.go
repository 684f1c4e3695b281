package replay_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// Without this, the rules of SPEC.md, section 10, could differ from the code, and nobody
// could check another implementation against them. The files are described in section 13.
func TestSequences(t *testing.T) {
	files, err := filepath.Glob("../testdata/sequences/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sequences: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) { runSequence(t, string(text)) })
	}
}

// sequence is what the lines so far have set.
type sequence struct {
	flagging, strict *reader
	keys             map[string]fields
}

// fields are the values of a line by name.
type fields map[string]string

// number returns a value, or 0 if the line does not have it.
func (f fields) number(t *testing.T, name string) int64 {
	t.Helper()
	text, given := f[name]
	if !given {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// seconds returns a time, or none if the line does not have it.
func (f fields) seconds(t *testing.T, name string) time.Time {
	t.Helper()
	if f[name] == "" {
		return time.Time{}
	}
	return time.Unix(f.number(t, name), 0)
}

func runSequence(t *testing.T, text string) {
	t.Helper()
	mirror := strings.Contains(text, "\nmirror: true\n")
	strict := envelope.Requirements{VerifiedSender: true, Fresh: true}
	s := sequence{
		flagging: newReader(replay.Config{Mirror: mirror}, noon), strict: newReader(replay.Config{Mirror: mirror, Require: strict}, noon),
		keys: make(map[string]fields),
	}
	records := 0
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		f := make(fields)
		for field := range strings.FieldsSeq(value) {
			if name, value, ok := strings.Cut(field, "="); ok {
				f[name] = value
			}
		}
		switch name {
		case "comment", "mirror":
		case "clock":
			f["clock"] = strings.TrimSpace(value)
			s.flagging.now = f.seconds(t, "clock")
			s.strict.now = s.flagging.now
		case "data-key":
			s.keys[f["name"]] = f
		case "record":
			s.record(t, strings.TrimSpace(line), f)
			records++
		default:
			for _, r := range []*reader{s.flagging, s.strict} {
				switch partition := int32(f.number(t, "partition")); name {
				case "revoked":
					r.PartitionRevoked(partition)
				case "read-from":
					r.FollowFrom(partition, f.number(t, "offset"))
				case "recreated":
					r.TopicRecreated()
				case "rewound":
					r.Rewind(partition, f.number(t, "offset"))
				default:
					t.Fatalf("unknown line %q", line)
				}
			}
		}
	}
	if records == 0 {
		t.Error("no records")
	}
}

// record follows a record and compares its flags. A reader that requires fresh records
// must reject what is stale, and what no verified sender has dated.
func (s *sequence) record(t *testing.T, line string, f fields) {
	t.Helper()
	key, known := s.keys[f["key"]]
	if !known {
		t.Fatalf("%s: no such data key", line)
	}
	pos := replay.Position{Partition: int32(f.number(t, "partition")), Offset: f.number(t, "offset"), AppendedAfter: f.seconds(t, "appended-after")}
	sealedFor := pos.Partition
	if f["sealed-for"] != "" {
		sealedFor = int32(f.number(t, "sealed-for"))
	}
	message := func() *envelope.Message {
		msg := &envelope.Message{
			Format: envelope.FormatEnvelope, Plaintext: []byte("hello"), DataKey: key["name"], Bound: true,
			Counted: true, Partition: sealedFor, Counter: uint64(f.number(t, "counter")),
			IssuedAt: key.seconds(t, "iat"), Expires: key.seconds(t, "exp"),
			Sender: envelope.Sender{State: envelope.SenderUnverified, Reason: envelope.ReasonUnsigned},
		}
		if key["sender"] != "" {
			msg.Sender = envelope.Sender{State: envelope.SenderVerified, Name: key["sender"]}
		}
		return msg
	}
	flags := mustFollow(s.flagging.Tracker, message(), pos)
	if got := flagNames(flags); got != f["flags"] {
		t.Errorf("%s\ngot %s", line, got)
	}
	again, err := s.strict.Follow(message(), pos)
	if refused := flags.Stale || key["sender"] == ""; again != flags || (err != nil) != refused {
		t.Errorf("%s\nif fresh records are required: flags %s, error %v", line, flagNames(again), err)
	}
}

// flagNames returns the flags as the files name them.
func flagNames(flags replay.Flags) string {
	var names []string
	for _, flag := range []struct {
		set  bool
		name string
	}{
		{flags.Stale, "stale"},
		{flags.Repeat, "repeat"},
		{flags.Missing > 0, fmt.Sprint("gap:", flags.Missing)},
		{flags.Late, "late"},
		{flags.Unfollowed, "unfollowed"},
		{flags.Moved, "moved"},
		{flags.Unbound, "unbound"},
	} {
		if flag.set {
			names = append(names, flag.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ",")
}
