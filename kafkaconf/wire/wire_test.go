package wire

import "testing"

// Without it a broker could stop a client: a length or a number of elements that is claimed must never cost more than the
// bytes that are there.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02\x00\x01t\x00"), false)
	f.Add([]byte("\xff\xff\xff\xff\x07\x00"), true)
	f.Add([]byte("\x02\x01\x01\x02ab\x00"), true)
	f.Fuzz(func(t *testing.T, b []byte, flexible bool) {
		for name, read := range map[string]func(*Reader){
			"string":   func(r *Reader) { r.Skip(r.StringSize()) },
			"bytes":    func(r *Reader) { r.Skip(r.Size()) },
			"tags":     func(r *Reader) { r.Tags() },
			"varint":   func(r *Reader) { r.Varint() },
			"integers": func(r *Reader) { r.Int16(); r.Int32(); r.Int64() },
			"array": func(r *Reader) {
				n := 0
				for range r.Count() {
					n++
				}
				if n > len(b) {
					t.Fatalf("%d elements of %d bytes", n, len(b))
				}
			},
		} {
			r := &Reader{Left: b, Flexible: flexible}
			read(r)
			if len(r.Left) > len(b) {
				t.Fatalf("%s: %d bytes are left of %d", name, len(r.Left), len(b))
			}
		}
	})
}

// Without it a malformed value could pass as zero.
func TestMalformedValuesAreTold(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(*Reader){
		"int16": func(r *Reader) { r.Int16() }, "int32": func(r *Reader) { r.Int32() }, "int64": func(r *Reader) { r.Int64() },
		"bytes": func(r *Reader) { r.Skip(2) }, "a negative length": func(r *Reader) { r.Skip(-2) },
	} {
		r := &Reader{Left: []byte{1}}
		read(r)
		if r.Left != nil || r.Done() {
			t.Errorf("%s: %x is left", name, r.Left)
		}
		r.Skip(0)
		if r.Done() {
			t.Errorf("%s: well-formed after all", name)
		}
	}
	r := &Reader{Left: []byte{0, 1}}
	if v := r.Int16(); v != 1 || !r.Done() {
		t.Errorf("got %d, %x is left", v, r.Left)
	}
}
