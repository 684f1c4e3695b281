package attacks

import (
	"slices"
	"testing"

	"kafka-e2ee/lab/podapi"
)

func said(state string, flags ...string) podapi.Record {
	r := podapi.Record{State: state, Flags: flags}
	r.Sender.State = "unverified"
	return r
}

// Without this a record that the page shows could count as refused, or one that looks like every other as flagged.
func TestOutcome(t *testing.T) {
	genuine := said("decrypted")
	rejected := said("rejected", "stale")
	rejected.RejectReason = "sender"
	verified, otherSender := said("decrypted"), said("decrypted")
	verified.Sender.State = "verified"
	for name, c := range map[string]struct {
		genuine podapi.Record
		records []podapi.Record
		judge   func([]finding) Outcome
		want    Outcome
		marks   []string
	}{
		"refused":                    {genuine, []podapi.Record{rejected}, everyRecord, Refused, []string{"rejected (sender)"}},
		"flagged":                    {genuine, []podapi.Record{said("decrypted", "repeat")}, everyRecord, Flagged, []string{"repeat"}},
		"not encrypted":              {genuine, []podapi.Record{said("plain")}, everyRecord, Flagged, []string{"plain"}},
		"as any other":               {genuine, []podapi.Record{said("decrypted")}, everyRecord, NotNoticed, nil},
		"flagged as any other":       {said("decrypted", "unbound"), []podapi.Record{said("decrypted", "unbound")}, everyRecord, NotNoticed, nil},
		"another sender":             {verified, []podapi.Record{otherSender}, everyRecord, Flagged, []string{"sender unverified"}},
		"one of two is not noticed":  {genuine, []podapi.Record{rejected, said("decrypted")}, everyRecord, NotNoticed, nil},
		"one of two is flagged only": {genuine, []podapi.Record{rejected, said("decrypted", "repeat")}, everyRecord, Flagged, []string{"repeat"}},
		"one mark is enough":         {genuine, []podapi.Record{said("decrypted"), said("decrypted", "gap")}, anyRecord, Flagged, []string{"gap"}},
		"no mark":                    {genuine, []podapi.Record{said("decrypted"), said("decrypted")}, anyRecord, NotNoticed, nil},
		"all are refused":            {genuine, []podapi.Record{rejected, rejected}, anyRecord, Refused, []string{"rejected (sender)"}},
		"first of its data key":      {genuine, []podapi.Record{said("decrypted", "unfollowed")}, everyRecord, NotNoticed, nil},
		"no record":                  {genuine, nil, everyRecord, NotNoticed, nil},
	} {
		findings := compare(c.records, c.genuine)
		if got, marks := c.judge(findings), decisive(findings, c.want); got != c.want || !slices.Equal(marks, c.marks) {
			t.Errorf("%s: got %s by %q, want %s by %q", name, got, marks, c.want, c.marks)
		}
	}
}
