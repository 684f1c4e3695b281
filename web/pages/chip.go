package pages

import (
	"hash/fnv"

	"kafka-e2ee/web/safetext"
)

// chip is a key's id, short and with a colour, so that keys can be told apart at a glance. Every pod and page gives a key
// the same chip. The id is not trusted: it can come from a record.
type chip struct{ Text, Full, Class string }

// chipColours is the number of colours in style.css.
const chipColours = 8

// chipLength is how much of an id a chip shows, in characters.
const chipLength = 6

// newChip returns the chip of a key, the zero value if the id is empty.
func newChip(id string) chip {
	if id == "" {
		return chip{}
	}
	full := safetext.PreviewKey([]byte(id))
	short := []rune(full)
	if len(short) > chipLength {
		short = short[:chipLength]
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id))
	return chip{Text: string(short), Full: full, Class: "chip-" + string(rune('0'+hash.Sum32()%chipColours))}
}
