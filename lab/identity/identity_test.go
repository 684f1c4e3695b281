package identity

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func service(t testing.TB) *Service {
	t.Helper()
	s, err := New("https://login.example", "pod", "operator")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const good = TokenPath + "?api-version=2018-02-01&resource=https%3A%2F%2Fvault.example%2F&client_id=operator"

// A pod would get no token, or a token of another identity.
func TestTokenRequests(t *testing.T) {
	s := service(t)
	for name, c := range map[string]struct {
		method, target, header string
		status                 int
		identity               string
	}{
		"named":            {"GET", good, "true", 200, "operator"},
		"not named":        {"GET", strings.Replace(good, "&client_id=operator", "", 1), "true", 200, "pod"},
		"unknown identity": {"GET", strings.Replace(good, "operator", "root", 1), "true", 400, ""},
		"no resource":      {"GET", TokenPath + "?api-version=2018-02-01", "true", 400, ""},
		"no header":        {"GET", good, "", 400, ""},
		"post":             {"POST", good, "true", 405, ""},
		"elsewhere":        {"GET", "/", "true", 404, ""},
	} {
		r, w := httptest.NewRequest(c.method, c.target, nil), httptest.NewRecorder()
		r.Header.Set("Metadata", c.header)
		s.ServeHTTP(w, r)
		var answer struct {
			Token string `json:"access_token"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != c.status {
			t.Errorf("%s: status %d: %s", name, w.Code, w.Body)
			continue
		}
		if c.identity == "" {
			continue
		}
		if id, err := s.Verify(answer.Token, "https://vault.example"); err != nil || id != c.identity {
			t.Errorf("%s: got a token of %q and error %v, want %q", name, id, err, c.identity)
		}
	}
}

// A crafted token could crash the vault or be accepted.
func FuzzVerify(f *testing.F) {
	s := service(f)
	token, err := s.Token("pod", "https://vault.example")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("a.b.c")
	signed := func(token string) string { return token[:strings.LastIndex(token, ".")+1] }
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := s.Verify(text, "https://vault.example"); err == nil && signed(text) != signed(token) {
			t.Fatalf("accepted %q as a token of %q", text, id)
		}
	})
}

// The vault would accept an expired token, one for another resource, or a forged
// one.
func TestVerifyRefuses(t *testing.T) {
	s, other := service(t), service(t)
	token := func(s *Service, resource string, at time.Duration) string {
		s.now = func() time.Time { return time.Now().Add(at) }
		defer func() { s.now = time.Now }()
		text, err := s.Token("pod", resource)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	const vault = "https://vault.example"
	if _, err := s.Verify(token(s, vault, 0), vault); err != nil {
		t.Fatalf("a good token: %v", err)
	}
	fresh := token(s, vault, 0)
	for name, text := range map[string]string{
		"expired":          token(s, vault, -2*time.Hour),
		"not valid yet":    token(s, vault, time.Hour),
		"another resource": token(s, "https://other.example", 0),
		"another provider": token(other, vault, 0),
		"unsigned":         "eyJhbGciOiJub25lIn0." + strings.Split(fresh, ".")[1] + ".",
		"truncated":        fresh[:len(fresh)-10],
		"empty":            "",
	} {
		if id, err := s.Verify(text, vault); err == nil || strings.Contains(err.Error(), fresh[:20]) {
			t.Errorf("%s: got identity %q and error %v, want an error without the token", name, id, err)
		}
	}
}
