package access

import (
	"strings"
	"testing"
	"time"
)

// Without this a page that should be protected could start open, a person would fix one file per restart, or a
// password's hash would be in the log.
func TestSettingsReportAllProblems(t *testing.T) {
	dir, ca := t.TempDir(), newAuthority(t, "root")
	file := func(name, text string) string { return put(t, dir, name, text) }
	cert, key := ca.good("page")
	_, otherKey := ca.good("other")
	oldCert, oldKey := ca.issue("page", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	nextCert, nextKey := ca.issue("page", time.Now().Add(time.Hour), time.Now().Add(2*time.Hour))
	good := Settings{TLSCertFile: file("cert", cert), TLSKeyFile: file("key", key)}
	with := func(change func(*Settings)) Settings {
		a := good
		change(&a)
		return a
	}
	secret := strings.Split(strings.TrimSpace(hashed(t, "alice", "hunter2")), ":")[1]
	md5 := "$apr1$hunter2$hunter2hunter2hunter2."
	for name, test := range map[string]struct {
		settings Settings
		want     []string
	}{
		"nothing":          {Settings{}, nil},
		"tls":              {good, nil},
		"one file for all": {Settings{TLSCertFile: file("both", key+cert), TLSKeyFile: file("both", key+cert)}, nil},
		"everything": {with(func(a *Settings) {
			a.ClientCAFile, a.UsersFile = file("ca", ca.pem()), file("users", "# who\n\n"+hashed(t, "alice", "x")+strings.ReplaceAll(hashed(t, "bob", "x"), "\n", "\r\n"))
			a.Hosts, a.Streams = []string{"page.example", "10.0.0.1", "::1"}, 10_000
		}), nil},
		"no key":            {Settings{TLSCertFile: good.TLSCertFile}, []string{"WEB_TLS_KEY_FILE: is not set, but WEB_TLS_CERT_FILE is"}},
		"no certificate":    {Settings{TLSKeyFile: good.TLSKeyFile}, []string{"WEB_TLS_CERT_FILE: is not set"}},
		"unreadable":        {Settings{TLSCertFile: "/hunter2", TLSKeyFile: "/hunter2"}, []string{"WEB_TLS_CERT_FILE: reading the file: no such file", "WEB_TLS_KEY_FILE: reading the file: no such file"}},
		"empty":             {with(func(a *Settings) { a.TLSCertFile = file("empty", "") }), []string{"WEB_TLS_CERT_FILE: the file is empty"}},
		"another key":       {with(func(a *Settings) { a.TLSKeyFile = file("other", otherKey) }), []string{"WEB_TLS_KEY_FILE: private key does not match"}},
		"no key in it":      {with(func(a *Settings) { a.TLSKeyFile = good.TLSCertFile }), []string{"WEB_TLS_KEY_FILE: "}},
		"garbage":           {with(func(a *Settings) { a.TLSCertFile = file("garbage", pemText("CERTIFICATE", []byte("hunter2"))) }), []string{"WEB_TLS_CERT_FILE: certificate 1 cannot be read"}},
		"expired":           {Settings{TLSCertFile: file("oldcert", oldCert), TLSKeyFile: file("oldkey", oldKey)}, []string{"WEB_TLS_CERT_FILE: the certificate expired on "}},
		"not yet":           {Settings{TLSCertFile: file("nextcert", nextCert), TLSKeyFile: file("nextkey", nextKey)}, []string{"WEB_TLS_CERT_FILE: the certificate is not valid before "}},
		"users, no tls":     {Settings{UsersFile: file("u", hashed(t, "alice", "x"))}, []string{"WEB_USERS_FILE: needs TLS"}},
		"clients, no tls":   {Settings{ClientCAFile: file("c", ca.pem())}, []string{"WEB_CLIENT_CA_FILE: needs TLS"}},
		"no roots":          {with(func(a *Settings) { a.ClientCAFile = good.TLSKeyFile }), []string{"WEB_CLIENT_CA_FILE: holds no certificate"}},
		"expired roots":     {with(func(a *Settings) { a.ClientCAFile = file("oldroot", oldCert) }), []string{"WEB_CLIENT_CA_FILE: the certificate expired on "}},
		"one root is valid": {with(func(a *Settings) { a.ClientCAFile = file("roots", oldCert+ca.pem()) }), nil},
		"no users":          {with(func(a *Settings) { a.UsersFile = file("u0", "# nobody\n\n") }), []string{"WEB_USERS_FILE: names no user"}},
		"not bcrypt":        {with(func(a *Settings) { a.UsersFile = file("u1", hashed(t, "alice", "x")+"\nbob:"+md5+"\n") }), []string{"WEB_USERS_FILE: line 3: the password's hash is not bcrypt"}},
		"plain":             {with(func(a *Settings) { a.UsersFile = file("u2", "bob:hunter2") }), []string{"WEB_USERS_FILE: line 1: the password's hash is not bcrypt"}},
		"more after it":     {with(func(a *Settings) { a.UsersFile = file("u3", "bob:"+secret+":hunter2") }), []string{"WEB_USERS_FILE: line 1: "}},
		"no colon":          {with(func(a *Settings) { a.UsersFile = file("u4", "hunter2") }), []string{"WEB_USERS_FILE: line 1: is not NAME:HASH"}},
		"no name":           {with(func(a *Settings) { a.UsersFile = file("u5", ":"+secret) }), []string{"WEB_USERS_FILE: line 1: the name is empty"}},
		"twice":             {with(func(a *Settings) { a.UsersFile = file("u6", "bob:"+secret+"\nbob:"+secret) }), []string{"WEB_USERS_FILE: line 2: the name is there twice"}},
		"too slow":          {with(func(a *Settings) { a.UsersFile = file("u7", "bob:"+strings.Replace(secret, "$04$", "$15$", 1)) }), []string{"WEB_USERS_FILE: line 1: the cost"}},
		"inline": {with(func(a *Settings) {
			a.ClientCA, a.Users = strings.ReplaceAll(ca.pem(), "\n", "\r\n"), "\ufeff# who\n\n"+hashed(t, "alice", "x")
		}), nil},
		"users twice": {with(func(a *Settings) { a.Users, a.UsersFile = hashed(t, "alice", "x"), file("u9", hashed(t, "alice", "x")) }), []string{"WEB_USERS and WEB_USERS_FILE: both are set"}},
		"roots twice": {with(func(a *Settings) { a.ClientCA, a.ClientCAFile = ca.pem(), file("ca2", ca.pem()) }), []string{"WEB_CLIENT_CA and WEB_CLIENT_CA_FILE: both are set"}},
		"inline, no tls": {
			Settings{Users: hashed(t, "alice", "x"), ClientCA: ca.pem()}, []string{"WEB_USERS: needs TLS", "WEB_CLIENT_CA: needs TLS"},
		},
		"inline, wrong": {
			with(func(a *Settings) { a.Users, a.ClientCA = "bob:hunter2", oldCert }), []string{"WEB_USERS: line 1: the password's hash is not bcrypt", "WEB_CLIENT_CA: the certificate expired on "},
		},
		"inline, a path":    {with(func(a *Settings) { a.Users, a.ClientCA = dir, dir }), []string{"WEB_USERS: line 1: is not NAME:HASH", "WEB_CLIENT_CA: holds no certificate"}},
		"inline, blank":     {with(func(a *Settings) { a.Users, a.ClientCA = " ", "\n" }), []string{"WEB_USERS: the text is empty", "WEB_CLIENT_CA: the text is empty"}},
		"hosts":             {Settings{Hosts: []string{"hunter2:443"}}, []string{"WEB_HOSTS: "}},
		"hosts, a scheme":   {Settings{Hosts: []string{"https://hunter2"}}, []string{"WEB_HOSTS: "}},
		"hosts, a wildcard": {Settings{Hosts: []string{"*.hunter2"}}, []string{"WEB_HOSTS: "}},
		"hosts, a break":    {Settings{Hosts: []string{"hunter2\n"}}, []string{"WEB_HOSTS: "}},
		"hosts, quoted":     {Settings{Hosts: []string{`"hunter2"`}}, []string{"WEB_HOSTS: "}},
		"hosts, semicolon":  {Settings{Hosts: []string{"a;hunter2"}}, []string{"WEB_HOSTS: "}},
		"hosts, an empty":   {Settings{Hosts: []string{"a", ""}}, []string{"WEB_HOSTS: "}},
		"attested": {Settings{
			Addr: ":3333", AttestedAddr: ":3443", Hosts: []string{"page.example"}, TLSCertFile: good.TLSCertFile, TLSKeyFile: good.TLSKeyFile, UsersFile: file("users", hashed(t, "alice", "x")),
		}, nil},
		"attested only":         {Settings{AttestedAddr: ":3443", Hosts: []string{"page.example"}, UsersFile: file("users", hashed(t, "alice", "x")), ClientCAFile: file("ca", ca.pem())}, nil},
		"attested, and open":    {Settings{Addr: ":3333", AttestedAddr: ":3443", Hosts: []string{"page.example"}, UsersFile: file("users", hashed(t, "alice", "x"))}, []string{"WEB_USERS_FILE: needs TLS"}},
		"attested, no hosts":    {Settings{AttestedAddr: ":3443"}, []string{"WEB_HOSTS: is not set, but WEB_ATTESTED_ADDR is"}},
		"attested, no address":  {Settings{AttestedAddr: "hunter2", Hosts: []string{"page.example"}}, []string{"WEB_ATTESTED_ADDR: want HOST:PORT"}},
		"attested, with a file": {Settings{AttestedAddr: ":3443", Hosts: []string{"page.example"}, TLSCertFile: good.TLSCertFile, TLSKeyFile: good.TLSKeyFile}, []string{"WEB_TLS_CERT_FILE: and WEB_TLS_KEY_FILE are for WEB_ADDR"}},
		"no address":            {Settings{Addr: "hunter2"}, []string{"WEB_ADDR: want HOST:PORT"}},
		"streams":               {Settings{Streams: -1}, []string{"WEB_STREAMS: "}},
		"many": {
			Settings{TLSCertFile: file("oldcert", oldCert), TLSKeyFile: file("oldkey", oldKey), UsersFile: file("u8", "hunter2"), ClientCAFile: good.TLSKeyFile, Hosts: []string{""}, Streams: 10_001},
			[]string{"WEB_TLS_CERT_FILE: ", "WEB_USERS_FILE: ", "WEB_CLIENT_CA_FILE: ", "WEB_HOSTS: ", "WEB_STREAMS: "},
		},
	} {
		err := test.settings.Check()
		if (err == nil) != (len(test.want) == 0) {
			t.Errorf("%s: got error %v", name, err)
			continue
		}
		for _, want := range test.want {
			if strings.Count(err.Error(), want) != 1 {
				t.Errorf("%s: want %q once in: %v", name, want, err)
			}
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%s: the error holds a value, a path or a hash: %v", name, err)
		}
	}
}
