package envelope_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kafka-e2ee/envelope"
)

// nonceOf returns the data key and IV of a record, which must never occur twice.
func nonceOf(t testing.TB, value []byte) string {
	t.Helper()
	d, err := envelope.Describe(value)
	if err != nil {
		t.Fatal(err)
	}
	end := d.Prefix + 12
	if d.Format == envelope.FormatJWE {
		return d.DataKey + strings.Split(string(value), ".")[2]
	}
	return d.DataKey + hex.EncodeToString(value[d.Prefix:end])
}

// Without this, two messages could be sealed with one nonce. That reveals both of them,
// and lets anybody forge more.
func TestNoncesAreUnique(t *testing.T) {
	for _, format := range nativeFormats {
		var mu sync.Mutex
		seen := make(map[string]bool)
		for range 3 { // like restarts with the same settings
			sealer := testSealer{format: format, limits: envelope.Limits{Records: 100}}.sealer(t)
			var writers sync.WaitGroup
			for range 8 {
				writers.Go(func() {
					for i := range int32(100) {
						value := mustSeal(t, sealer, "x", i%7)
						mu.Lock()
						if used := nonceOf(t, value); seen[used] {
							t.Errorf("%s: a nonce was used twice", format)
						} else {
							seen[used] = true
						}
						mu.Unlock()
					}
				})
			}
			writers.Wait()
		}
		if len(seen) != 3*8*100 {
			t.Errorf("%s: %d nonces for %d records", format, len(seen), 3*8*100)
		}
	}
}

// Without this, readers would see gaps although nothing is missing.
func TestEachPartitionHasItsOwnCounter(t *testing.T) {
	sealer := testSealer{}.sealer(t)
	for i := range uint64(5) {
		for _, partition := range []int32{0, 1, 1<<31 - 1} {
			d, err := envelope.Describe(mustSeal(t, sealer, "x", partition))
			if err != nil || d.Counter != i || d.Partition != partition {
				t.Errorf("partition %d: got %d/%d, want %d, %v", partition, d.Partition, d.Counter, i, err)
			}
		}
	}
}

// dataKeys seals n messages of a size and returns how many each data key sealed.
func dataKeys(t *testing.T, sealer *envelope.Sealer, n, size int, between func()) []int {
	t.Helper()
	message := make([]byte, size)
	var counts []int
	last := ""
	for range n {
		value, err := sealer.Seal(nil, message, 0)
		if err != nil {
			t.Fatal(err)
		}
		d, err := envelope.Describe(value)
		if err != nil {
			t.Fatal(err)
		}
		if d.DataKey != last {
			counts, last = append(counts, 0), d.DataKey
			if d.Counter != 0 {
				t.Errorf("the counter of a new data key starts at %d", d.Counter)
			}
		}
		counts[len(counts)-1]++
		between()
	}
	return counts
}

// Without this, a writer for many readers would pause at each rotation.
func TestNextDataKeyIsPrepared(t *testing.T) {
	sealer := testSealer{limits: envelope.Limits{Records: 3}}.sealer(t)
	mustSeal(t, sealer, "x", 0)
	if sealer.NextDataKey() != "" {
		t.Error("a sealer of a single record makes two data keys")
	}
	for range 3 { // each round ends with the first record of the next data key
		mustSeal(t, sealer, "x", 0)
		mustSeal(t, sealer, "x", 0)
		spare := sealer.NextDataKey()
		d, err := envelope.Describe(mustSeal(t, sealer, "x", 0))
		if err != nil || spare == "" || d.DataKey != spare {
			t.Error("the next data key is not the one that was prepared")
		}
	}
}

// Without this, a data key would be used for longer than is safe.
func TestLimitsRotate(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits envelope.Limits
		size   int
		step   time.Duration
		want   []int
	}{
		{"records", envelope.Limits{Records: 3}, 1, 0, []int{3, 3, 1}},
		{"one record", envelope.Limits{Records: 1}, 1, 0, []int{1, 1, 1, 1, 1, 1, 1}},
		{"bytes", envelope.Limits{Bytes: envelope.MaxMessage}, envelope.MaxMessage/2 - 1, 0, []int{2, 2, 2, 1}},
		{"bytes, exactly", envelope.Limits{Bytes: envelope.MaxMessage}, envelope.MaxMessage / 2, 0, []int{2, 2, 2, 1}},
		{"bytes, one more", envelope.Limits{Bytes: envelope.MaxMessage}, envelope.MaxMessage/2 + 1, 0, []int{1, 1, 1, 1, 1, 1, 1}},
		{"age", envelope.Limits{Age: time.Minute}, 1, 20 * time.Second, []int{3, 3, 1}},
		{"default age", envelope.Limits{}, 1, 20 * time.Minute, []int{3, 3, 1}},
		{"no limit reached", envelope.Limits{}, 1, time.Minute, []int{7}},
	} {
		synctest.Test(t, func(t *testing.T) {
			between := func() { time.Sleep(c.step); synctest.Wait() }
			if got := dataKeys(t, testSealer{limits: c.limits}.sealer(t), 7, c.size, between); !slices.Equal(got, c.want) {
				t.Errorf("%s: got %v records a data key, want %v", c.name, got, c.want)
			}
		})
	}
}

// Without this, a data key would expire before its first use, or never.
func TestAgeCountsFromTheFirstRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sealer := testSealer{limits: envelope.Limits{Age: time.Hour}}.sealer(t)
		dataKey := func(wait time.Duration) string {
			time.Sleep(wait)
			synctest.Wait()
			d, err := envelope.Describe(mustSeal(t, sealer, "x", 0))
			if err != nil {
				t.Fatal(err)
			}
			return d.DataKey
		}
		first := dataKey(24 * time.Hour) // made long before its first use
		if dataKey(time.Hour-time.Second) != first {
			t.Error("replaced within the hour")
		}
		if dataKey(time.Second) == first {
			t.Error("not replaced after the hour")
		}
	})
}

// datesOf opens a record and returns its data key and the times of this data key, in
// seconds since 1970.
func datesOf(t *testing.T, opener *envelope.Opener, value []byte) (dataKey string, issued, expires int64) {
	t.Helper()
	msg, err := opener.Open(nil, "t", value)
	if err != nil {
		t.Fatal(err)
	}
	return msg.DataKey, msg.IssuedAt.Unix(), msg.Expires.Unix()
}

// Without this, readers would take records for old that are not, or could not tell that
// a record was held back.
func TestRecordsAreDated(t *testing.T) {
	opener := newOpener(t, key2048())
	for _, format := range nativeFormats {
		for _, signing := range []ed25519.PrivateKey{nil, signingKey(1)} {
			for _, age := range []time.Duration{0, 1, time.Minute, 90*time.Second + 1} {
				now := time.Unix(1_764_489_600, 999_999_999)
				sealer := testSealer{format: format, signing: signing, limits: envelope.Limits{Age: age, Records: 3}}.sealer(t)
				sealer.SetClock(func() time.Time { return now })
				lasts := map[time.Duration]int64{0: 3600, 1: 1, time.Minute: 60, 90*time.Second + 1: 91}[age]
				for range 3 { // the data keys after the first are made ahead of need
					now = now.Add(time.Hour)
					want := now.Unix()
					for range 3 {
						if _, issued, expires := datesOf(t, opener, mustSeal(t, sealer, "x", 0)); issued != want || expires != want+lasts+15*60 {
							t.Errorf("%s, %s: first used at %d, dated %d, expires after %d s, want %d", format, age, want, issued, expires-issued, lasts+15*60)
						}
					}
				}
			}
		}
	}
}

// Without this, records that are sealed after a machine slept, or after its clock was
// set, would look like old ones that were held back.
func TestClockEndsDataKeys(t *testing.T) {
	opener := newOpener(t, key2048())
	start := time.Unix(1_764_489_600, 0)
	for name, c := range map[string]struct {
		passes time.Duration
		next   bool
	}{
		"before the limit":               {time.Hour - time.Second, false},
		"at the limit":                   {time.Hour, true},
		"asleep for a day":               {24 * time.Hour, true},
		"set back":                       {-time.Second, true},
		"set back by a year":             {-365 * 24 * time.Hour, true},
		"in the second of the first use": {0, false},
	} {
		now := start
		sealer := testSealer{limits: envelope.Limits{Age: time.Hour}}.sealer(t)
		sealer.SetClock(func() time.Time { return now })
		first, _, _ := datesOf(t, opener, mustSeal(t, sealer, "x", 0))
		now = now.Add(c.passes)
		dataKey, issued, expires := datesOf(t, opener, mustSeal(t, sealer, "x", 0))
		if (dataKey != first) != c.next {
			t.Errorf("%s: a new data key: %t, want %t", name, dataKey != first, c.next)
		}
		if unix := now.Unix(); issued > unix || unix >= expires-15*60 {
			t.Errorf("%s: sealed at %d under a data key of %d to %d", name, unix, issued, expires)
		}
	}
}

// Without this, a writer would not know until when it may send a record, and would send
// one that readers take for held back; or a message that is sealed again would leave a
// record missing for ever.
func TestSealingAgain(t *testing.T) {
	opener := newOpener(t, key2048())
	for _, format := range nativeFormats {
		now := time.Unix(1_764_489_600, 0)
		sealer := testSealer{format: format, limits: envelope.Limits{Age: time.Minute, Hold: 20 * time.Second}}.sealer(t)
		sealer.SetClock(func() time.Time { return now })
		seal := func() (dataKey string, counter uint64) {
			t.Helper()
			value, sealed, err := sealer.SealDated(nil, []byte("x"), 0, false)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := opener.Open(nil, "t", value)
			if err != nil {
				t.Fatal(err)
			}
			if expires := sealed.Expires(); !expires.Equal(msg.Expires) || expires.Sub(msg.IssuedAt) != 80*time.Second || expires.Sub(now) <= 20*time.Second {
				t.Errorf("%s: sealed %s after the first use, expires %s after it, said to be %s", format, now.Sub(msg.IssuedAt), msg.Expires.Sub(msg.IssuedAt), expires)
			}
			return msg.DataKey, msg.Counter
		}
		first, _ := seal()
		now = now.Add(59 * time.Second)
		if second, counter := seal(); second != first || counter != 1 {
			t.Errorf("%s: data key %s, counter %d, want %s and 1", format, second, counter, first)
		}
		for range 2 { // the second call has nothing to replace
			if err := sealer.NewDataKey(); err != nil {
				t.Fatal(err)
			}
		}
		again, counter := seal()
		if again == first || counter != 0 {
			t.Errorf("%s: sealed again under the same data key, counter %d", format, counter)
		}
		now = now.Add(time.Minute) // a hold before it expires
		if next, _ := seal(); next == again {
			t.Errorf("%s: a record that has no time to arrive", format)
		}
	}
	sealer := testSealer{format: envelope.FormatRSA}.sealer(t)
	if _, sealed, err := sealer.SealDated(nil, []byte("x"), 0, false); err != nil || !sealed.Expires().IsZero() {
		t.Errorf("rsa: expires at %s, %v", sealed.Expires(), err)
	}
	if err := sealer.NewDataKey(); err != nil {
		t.Errorf("rsa: %v", err)
	}
}

// Without this, the clock of a machine that was never set would make records that no
// reader accepts, or the writer would stop forever.
func TestImpossibleClockIsAnError(t *testing.T) {
	for _, year := range []int{1969, 1970, 10000} {
		now := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		sealer := testSealer{}.sealer(t)
		sealer.SetClock(func() time.Time { return now })
		dst, err := sealer.Seal([]byte("kept"), []byte("x"), 0)
		if err == nil || string(dst) != "kept" || !strings.Contains(err.Error(), fmt.Sprintf("the clock shows the year %d", year)) {
			t.Errorf("%d: %q, %v", year, dst, err)
		}
		now = time.Unix(1_764_489_600, 0)
		mustSeal(t, sealer, "x", 0)
	}
}

// Without this, reading the clock for each record would slow down the writer, or an old
// reading would be used for longer than it may.
func TestClockIsReadRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sealer, read := testSealer{}.sealer(t), 0
		sealer.SetSlowClock(func() time.Time { read++; return time.Now() })
		for range 1000 {
			mustSeal(t, sealer, "x", 0)
		}
		if read != 1 {
			t.Errorf("read %d times for 1000 records at once", read)
		}
		for i := range 3 {
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			mustSeal(t, sealer, "x", 0)
			if read != 2+i {
				t.Errorf("read %d times, want %d", read, 2+i)
			}
		}
	})
}
