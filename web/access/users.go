package access

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

const (
	maxName = 255 // bytes
	maxCost = 14  // of bcrypt: a higher one takes a core for seconds with each try, whoever tries
)

// users may sign in.
type users struct {
	hashes map[string][]byte
	names  []string
	secret [32]byte // key of the MACs; changes with each load, which invalidates old MACs
}

// passwordMAC authenticates a name and a password that were checked, without holding them.
type passwordMAC [sha256.Size]byte

// parseUsers reads lines NAME:HASH as "htpasswd -B" writes them. It skips empty lines and those that start with '#'. The
// error names the first wrong line and holds nothing of it.
func parseUsers(text []byte) (*users, error) {
	u := &users{hashes: make(map[string][]byte)}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		name, hash, err := parseUser(line)
		if err == nil && u.hashes[name] != nil {
			err = errors.New("the name is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		u.hashes[name] = hash
		u.names = append(u.names, name)
	}
	if len(u.names) == 0 {
		return nil, errors.New("names no user (hint: htpasswd -B -C 12 FILE NAME adds one)")
	}
	_, err := rand.Read(u.secret[:])
	return u, err
}

// parseUser reads one line.
func parseUser(line []byte) (name string, hash []byte, err error) {
	before, hash, found := bytes.Cut(line, []byte(":"))
	name = string(before)
	switch {
	case !found:
		return "", nil, errors.New("is not NAME:HASH")
	case name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", nil, fmt.Errorf("the name is empty, longer than %d bytes or not plain text", maxName)
	case !regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`).Match(hash):
		return "", nil, errors.New("the password's hash is not bcrypt (hint: htpasswd -B)")
	}
	cost, err := bcrypt.Cost(hash)
	if err != nil || cost > maxCost {
		return "", nil, fmt.Errorf("the cost of the password's hash is not %d to %d (hint: htpasswd -B -C 12)", bcrypt.MinCost, maxCost)
	}
	return name, bytes.Clone(hash), nil
}

// match checks a password. For an unknown name it checks the hash of some other user, always the same one for that name,
// so that the time it takes reveals nothing.
func (u *users) match(name, password string) bool {
	hash, known := u.hashes[name]
	if !known {
		mac := u.mac(name, "")
		hash = u.hashes[u.names[binary.BigEndian.Uint64(mac[:])%uint64(len(u.names))]]
	}
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && known
}

func (u *users) mac(name, password string) passwordMAC {
	mac := hmac.New(sha256.New, u.secret[:])
	mac.Write([]byte(name + ":" + password)) // a name holds no colon
	return passwordMAC(mac.Sum(nil))
}
