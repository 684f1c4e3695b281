package web

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
	longestUser = 255
	// A cost above this takes a core for seconds, at each try, whoever tries.
	highestCost = 14
)

// users are those who may sign in.
type users struct {
	hashes map[string][]byte
	names  []string
	secret [32]byte // of marks; another one for each reading, so that no mark outlives it
}

// parseUsers reads lines NAME:HASH as "htpasswd -B" writes them. Empty lines and those that start with '#' do not
// count. The error names the first line that is wrong, and nothing that it holds.
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
	case name == "" || len(name) > longestUser || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", nil, fmt.Errorf("the name is empty, longer than %d bytes or not plain text", longestUser)
	case !regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`).Match(hash):
		return "", nil, errors.New("the password's hash is not bcrypt (hint: htpasswd -B)")
	}
	cost, err := bcrypt.Cost(hash)
	if err != nil || cost > highestCost {
		return "", nil, fmt.Errorf("the cost of the password's hash is not %d to %d (hint: htpasswd -B -C 12)", bcrypt.MinCost, highestCost)
	}
	return name, bytes.Clone(hash), nil
}

// match checks a password. That takes as long for a name that is not there: somebody else's hash is then tried, always
// the same one, so that names cannot be told from the time.
func (u *users) match(name, password string) bool {
	hash, known := u.hashes[name]
	if !known {
		mark := u.mark(name, "")
		hash = u.hashes[u.names[binary.BigEndian.Uint64(mark[:])%uint64(len(u.names))]]
	}
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && known
}

// mark stands for a name and a password that were checked. It says nothing about them to who does not know the secret.
func (u *users) mark(name, password string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, u.secret[:])
	mac.Write([]byte(name + ":" + password)) // a name holds no colon
	return [sha256.Size]byte(mac.Sum(nil))
}
