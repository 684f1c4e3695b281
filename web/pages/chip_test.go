package pages

import "testing"

// Without this a key could have one colour in a row, and another in the next or in another pod.
func TestKeyHasOneChip(t *testing.T) {
	if a, b := newChip("first-key"), newChip("first-key"); a != b || newChip("") != (chip{}) {
		t.Errorf("a key has two chips: %v, %v", a, b)
	}
}
