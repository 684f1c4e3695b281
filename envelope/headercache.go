package envelope

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// clockTolerance is how much the clocks of writers and readers may differ.
const clockTolerance = 5 * time.Minute

// knownHeader is a prefix whose structure was checked. A lean record has only its
// name, so headers are kept even if their keys are not held yet, and outlive the keys.
type knownHeader struct {
	prefix string // as it stands in a full record, in binary or as text
	lean   string // what stands in its place in a lean record; "" if the prefix is text

	unwrapping sync.Mutex
	dataKey    atomic.Pointer[dataKeyEntry] // nil if it was not unwrapped with the keys held
	trust      headerTrust                  // guarded by the cache's lock, like those below
	opened     bool                         // its data key was unwrapped once
	expires    time.Time
}

// headerTrust tells who could have made a header.
type headerTrust int

const (
	trustNobody   headerTrust = iota // anybody
	trustOpened                      // anybody with the public key
	trustVerified                    // only a trusted sender
)

// size returns at least the memory that the header and its data key take, in bytes. The
// fixed part is for the cipher, the binary form's additional data and the places in
// maps; the rest, twice the prefix, is for ids of keys, or the text's additional data.
func (h *knownHeader) size() int { return 3<<10 + 2*len(h.prefix) }

// heldBy returns the data key if it was unwrapped with these keys.
func (h *knownHeader) heldBy(keys *keyring) *dataKeyEntry {
	if entry := h.dataKey.Load(); entry != nil && entry.keys == keys {
		return entry
	}
	return nil
}

// headerCache caches headers. It has a cache for each level of trust, so that nobody can
// evict headers of a higher level than they can make. Expired headers of verified senders
// lose that level, because anybody can write their records again.
//
// Both spellings of a header find it: the prefix of a full record, and what stands in its
// place in a lean one.
type headerCache struct {
	last    atomic.Pointer[knownHeader] // usually the next one again; comparing is cheaper than hashing
	learned atomic.Uint64               // grows with each header that is added

	mu     sync.Mutex
	adding map[string]*knownHeader // at most one for each caller of Open
	levels [trustVerified + 1]generations
}

// find returns the header that a record starts with, or nil.
func (c *headerCache) find(start []byte) *knownHeader {
	if last := c.last.Load(); last != nil && (last.lean == string(start) || last.prefix == string(start)) {
		return last
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	header := c.search(start)
	if header != nil {
		c.last.Store(header)
	}
	return header
}

// search is find for a caller that holds the lock.
func (c *headerCache) search(start []byte) *knownHeader {
	for i := range slices.Backward(c.levels[:]) {
		level := &c.levels[i]
		if header := level.young[string(start)]; header != nil {
			return header
		}
		if header := level.old[string(start)]; header != nil { // still in use
			c.keep(header)
			return header
		}
	}
	return c.adding[string(start)]
}

// keep adds a header to the young generation of its level.
func (c *headerCache) keep(header *knownHeader) {
	if header.trust == trustVerified && time.Since(header.expires) >= clockTolerance {
		header.trust = trustNobody
		if header.opened {
			header.trust = trustOpened
		}
	}
	c.levels[header.trust].add(header)
}

// unwrap unwraps a prefix that is not unwrapped with the keys held, and caches both.
// However many callers ask for the same one at the same time, it is unwrapped once.
func (c *headerCache) unwrap(prefix []byte, current *atomic.Pointer[keyring], entry *dataKeyEntry, unwrap func()) *dataKeyEntry {
	header := c.begin(prefix)
	header.unwrapping.Lock()
	defer header.unwrapping.Unlock()
	if done := header.heldBy(entry.keys); done != nil { // another caller has just unwrapped it
		return done
	}
	unwrap()
	c.end(header, entry, current)
	return entry
}

// learn caches a header that need not be unwrapped yet.
func (c *headerCache) learn(prefix []byte, sender Sender, expires time.Time) *knownHeader {
	header := c.begin(prefix)
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := c.last.Load(); last != nil { // find does not look it up, so it would look unused
		c.keep(last)
	}
	c.place(header, sender, expires)
	return header
}

func (c *headerCache) begin(prefix []byte) *knownHeader {
	header := &knownHeader{prefix: string(prefix)}
	if prefix[0] == versionByte {
		header.lean = leanStart(nameOf(prefix))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.search(prefix); known != nil {
		return known
	}
	if c.adding == nil {
		c.adding = make(map[string]*knownHeader)
	}
	header.addTo(c.adding)
	c.learned.Add(1)
	return header
}

func (c *headerCache) end(header *knownHeader, entry *dataKeyEntry, current *atomic.Pointer[keyring]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry.err == nil {
		header.trust, header.opened = max(header.trust, trustOpened), true
	}
	c.place(header, entry.sender, entry.msg.Expires)
	c.last.Store(header)
	if current.Load() == entry.keys { // otherwise dropDataKeys was, or will be, called
		header.dataKey.Store(entry)
	}
}

// place adds a header to the level that it deserves.
func (c *headerCache) place(header *knownHeader, sender Sender, expires time.Time) {
	delete(c.adding, header.prefix)
	delete(c.adding, header.lean)
	header.expires = expires
	if sender.State == SenderVerified {
		header.trust = trustVerified
	}
	c.keep(header)
}

// keepAgain adds headers that were evicted meanwhile.
func (c *headerCache) keepAgain(headers []*knownHeader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, header := range headers {
		if c.search([]byte(header.prefix)) == nil {
			c.keep(header)
			c.learned.Add(1)
		}
	}
}

// copyFrom adds the headers of another cache, but not their data keys.
func (c *headerCache) copyFrom(other *headerCache) {
	var headers []*knownHeader
	other.mu.Lock()
	for i := range other.levels {
		for _, generation := range []map[string]*knownHeader{other.levels[i].old, other.levels[i].young} {
			for key, header := range generation {
				if key == header.prefix { // not its other spelling
					headers = append(headers, &knownHeader{prefix: header.prefix, lean: header.lean, trust: header.trust, opened: header.opened, expires: header.expires})
				}
			}
		}
	}
	other.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, header := range headers {
		if known := c.levels[header.trust]; known.young[header.prefix] == nil && known.old[header.prefix] == nil {
			c.keep(header)
		}
	}
	c.learned.Add(other.learned.Load() + 1)
}

// dropDataKeys drops all data keys, but no headers. The caller has replaced the keys.
func (c *headerCache) dropDataKeys() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last.Store(nil)
	for i := range c.levels {
		for _, generation := range []map[string]*knownHeader{c.levels[i].young, c.levels[i].old} {
			for _, header := range generation {
				header.dataKey.Store(nil)
			}
		}
	}
}

// addTo adds a header to a map under both spellings. Two headers with the same name
// take 2^64 work to find; the first one counts.
func (h *knownHeader) addTo(headers map[string]*knownHeader) {
	headers[h.prefix] = h
	if h.lean != "" && headers[h.lean] == nil {
		headers[h.lean] = h
	}
}

// Limits of one generation.
const (
	generationHeaders = 256
	generationBytes   = 2 << 20
)

// generations are an approximate LRU cache. A header that is used moves from the old
// generation to the young one; when the young one is full, it becomes the old one, and
// the rest of the old one is evicted.
type generations struct {
	young, old map[string]*knownHeader
	headers    int // in young, like the next
	bytes      int
}

func (g *generations) add(header *knownHeader) {
	if g.young[header.prefix] != nil {
		return
	}
	if g.headers >= generationHeaders || g.bytes+header.size() > generationBytes {
		*g = generations{old: g.young}
	}
	if g.young == nil {
		g.young = make(map[string]*knownHeader)
	}
	header.addTo(g.young)
	g.headers++
	g.bytes += header.size()
}
