package attested_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/skrclient/attested"
	"kafka-e2ee/skrclient/attested/attestedtest"
	"kafka-e2ee/skrclient/policy"
)

func page(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page ", r.URL.Path) } //nolint:errcheck // the client compares it

func newVerifier(t testing.TB, service *attestedtest.Service, change func(*attested.Config)) *attested.Verifier {
	t.Helper()
	cfg := attested.Config{Policy: service.Policy(), CAFile: service.CAFile}
	if change != nil {
		change(&cfg)
	}
	verifier, err := attested.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

// refusedAt returns the step of a refusal, "unchecked" if the endpoint could not be checked, and "" if it is trusted.
func refusedAt(err error) string {
	if refused, ok := errors.AsType[*attested.RefusedError](err); ok {
		return string(refused.Check.Step)
	}
	if err != nil {
		return "unchecked"
	}
	return ""
}

// A viewer could not verify a sound pod, or would not see what was compared.
func TestVerify(t *testing.T) {
	service := attestedtest.NewService(t)
	pod := service.NewPod(t, http.HandlerFunc(page))
	result, err := newVerifier(t, service, func(c *attested.Config) { c.KeyIDs, c.MaxAge = pod.KeyIDs, time.Minute }).Verify(t.Context(), pod.Address())
	if err != nil {
		t.Fatal(err)
	}
	var steps []attested.Step
	for _, check := range result.Checks {
		steps = append(steps, check.Step)
		if !check.Passed || check.Expected == "" || check.Actual == "" || check.Text() == "" {
			t.Errorf("got check %+v", check)
		}
	}
	want := []attested.Step{
		attested.StepConnection, attested.StepToken, attested.StepTime, attested.StepClaim, attested.StepClaim, attested.StepClaim, attested.StepClaim,
		attested.StepDebug, attested.StepKey, attested.StepNonce, attested.StepKeyIDs,
	}
	if !slices.Equal(steps, want) {
		t.Errorf("got steps %v, want %v", steps, want)
	}
	if !slices.Equal(result.KeyIDs, pod.KeyIDs) || time.Since(result.Issued) > time.Minute || !result.Expires.Equal(result.Issued.Add(time.Minute)) || !result.Certificate.Equal(pod.Certificate()) {
		t.Errorf("got %+v", result)
	}
}

type change struct {
	pod     func(*testing.T, *attestedtest.Service, *attestedtest.Pod)
	tls     func(*testing.T, *tls.Config)
	cfg     func(*attested.Config)
	refused string // step
	says    string // part of the error
}

func claims(set map[string]any) func(*testing.T, *attestedtest.Service, *attestedtest.Pod) {
	return func(_ *testing.T, _ *attestedtest.Service, p *attestedtest.Pod) {
		p.Claims = func(claims map[string]any) {
			for name, value := range set {
				claims[name] = value
				if value == nil {
					delete(claims, name)
				}
			}
		}
	}
}

func runtimeData(change func(map[string]any)) func(*testing.T, *attestedtest.Service, *attestedtest.Pod) {
	return func(_ *testing.T, _ *attestedtest.Service, p *attestedtest.Pod) {
		p.Claims = func(claims map[string]any) {
			if data, ok := claims["x-ms-runtime"].(map[string]any); ok {
				change(data)
			}
		}
	}
}

func token(change func(string) string) func(*testing.T, *attestedtest.Service, *attestedtest.Pod) {
	return func(_ *testing.T, _ *attestedtest.Service, p *attestedtest.Pod) { p.Token = change }
}

func answers(status int, body string, header ...string) func(*testing.T, *attestedtest.Service, *attestedtest.Pod) {
	return func(_ *testing.T, _ *attestedtest.Service, p *attestedtest.Pod) {
		p.Answer = func(w http.ResponseWriter, _ *http.Request, token string) bool {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, strings.ReplaceAll(body, "TOKEN", token)) //nolint:errcheck // the client may have hung up
			return true
		}
	}
}

func certificate(key func() any, of func(*x509.Certificate)) func(*testing.T, *tls.Config) {
	return func(t *testing.T, c *tls.Config) {
		var made any
		if key != nil {
			made = key()
		}
		c.Certificates = []tls.Certificate{attestedtest.NewCertificate(t, made, of)}
	}
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func unix(in time.Duration) int64 { return time.Now().Add(in).Unix() }

// A viewer would trust a page that is not served by the expected code.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]change{
		// The document.
		"no attestation":       {pod: answers(404, "not found"), refused: "offer", says: "no attestation: expected an attestation document at /.well-known/attestation, got status 404 Not Found"},
		"wrong host":           {pod: answers(421, ""), refused: "offer", says: "status 421 Misdirected Request: the page does not answer to this host name (hint: use one of its WEB_HOSTS)"},
		"redirect":             {pod: answers(302, "", "Location", "https://127.0.0.1:1/"), refused: "offer", says: "status 302"},
		"a page":               {pod: answers(200, "<html>"), refused: "offer", says: "want one JSON object"},
		"no version":           {pod: answers(200, `{"token":"TOKEN"}`), refused: "offer", says: "version is not 1"},
		"version 2":            {pod: answers(200, `{"version":2,"token":"TOKEN"}`), refused: "offer", says: "version is not 1"},
		"version a text":       {pod: answers(200, `{"version":"1","token":"TOKEN"}`), refused: "offer", says: "version is not 1"},
		"no token":             {pod: answers(200, `{"version":1}`), refused: "offer", says: "token is not a text"},
		"token a number":       {pod: answers(200, `{"version":1,"token":1}`), refused: "offer", says: "token is not a text"},
		"two documents":        {pod: answers(200, `{"version":1,"token":"TOKEN"}{"version":1,"token":"TOKEN"}`), refused: "offer", says: "want one JSON object"},
		"a name twice":         {pod: answers(200, `{"version":1,"token":"TOKEN","token":"TOKEN"}`), refused: "offer", says: "without duplicate names"},
		"an authority to ask":  {pod: answers(200, `{"version":1,"token":"TOKEN","authority":"https://evil.example"}`), refused: "offer", says: `got member \"authority\"`},
		"10 MB":                {pod: answers(200, strings.Repeat(" ", 10<<20)), refused: "offer", says: "more than one response of at most"},
		"10 MB of header":      {pod: answers(200, "", "X", strings.Repeat("a", 10<<20)), refused: "unchecked", says: "too long"},
		"control characters":   {pod: answers(200, `{"version":1,"token":"a","\u001b[2J":1}`), refused: "offer", says: `\x1b[2J`},
		"busy without an end":  {pod: answers(429, ""), refused: "unchecked", says: "status 429"},
		"attestation too slow": {pod: answers(503, "", "Retry-After", "5"), refused: "unchecked", says: "status 503 (hint: try again in a minute)"},

		// The token.
		"not a token": {pod: token(func(string) string { return "a.b.c" }), refused: "token", says: "not a JWT signed with RS256"},
		"alg none": {pod: token(func(sound string) string {
			return encode(`{"alg":"none"}`) + "." + strings.Split(sound, ".")[1] + "."
		}), refused: "token", says: "not a JWT signed with RS256"},
		"alg HS256": {pod: token(func(sound string) string {
			signed := encode(`{"alg":"HS256","kid":"k1"}`) + "." + strings.Split(sound, ".")[1]
			mac := hmac.New(sha256.New, []byte("k1"))
			mac.Write([]byte(signed))
			return signed + "." + encode(string(mac.Sum(nil)))
		}), refused: "token", says: "not a JWT signed with RS256"},
		"payload changed": {pod: token(func(sound string) string {
			parts := strings.Split(sound, ".")
			payload, _ := base64.RawURLEncoding.DecodeString(parts[1]) //nolint:errcheck // it was encoded
			return parts[0] + "." + encode(strings.Replace(string(payload), `"x-ms-sevsnpvm-vmpl":0`, `"x-ms-sevsnpvm-vmpl":1`, 1)) + "." + parts[2]
		}), refused: "token", says: "got another signature"},
		"signed by another service": {pod: func(t *testing.T, s *attestedtest.Service, p *attestedtest.Pod) {
			stranger, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			p.Token = func(sound string) string { return resign(t, sound, stranger) }
		}, refused: "token", says: "got another signature"},
		"another issuer":   {pod: claims(map[string]any{"iss": "https://maa.example.net"}), refused: "token", says: "got https://maa.example.net"},
		"no issuer":        {pod: claims(map[string]any{"iss": nil}), refused: "token", says: "a token without issuer"},
		"issuer a number":  {pod: claims(map[string]any{"iss": 1}), refused: "token", says: "got 1"},
		"expired":          {pod: claims(map[string]any{"exp": unix(-6 * time.Minute)}), refused: "time", says: "the token is not valid now: expected valid at"},
		"no expiry":        {pod: claims(map[string]any{"exp": nil}), refused: "time", says: "to no time"},
		"not yet valid":    {pod: claims(map[string]any{"nbf": unix(6 * time.Minute)}), refused: "time", says: "valid from"},
		"too old":          {pod: claims(map[string]any{"iat": unix(-2 * time.Minute)}), cfg: func(c *attested.Config) { c.MaxAge = time.Minute }, refused: "time", says: "at most 1m0s old"},
		"no date of issue": {pod: claims(map[string]any{"iat": nil}), cfg: func(c *attested.Config) { c.MaxAge = time.Minute }, refused: "time", says: "of unknown age"},
		"duplicate members": {pod: func(t *testing.T, s *attestedtest.Service, p *attestedtest.Pod) {
			p.Token = func(string) string { return s.SignPayload(t, []byte(`{"iss":"`+s.URL+`","iss":"`+s.URL+`"}`)) }
		}, refused: "token", says: "not a JWT"},

		// The claims.
		"other code":         {pod: claims(map[string]any{policy.ClaimHostData: "00"}), refused: "claim", says: "the pod does not run the expected code (x-ms-sevsnpvm-hostdata): expected "},
		"no host data":       {pod: claims(map[string]any{policy.ClaimHostData: nil}), refused: "claim", says: "got none"},
		"host data a list":   {pod: claims(map[string]any{policy.ClaimHostData: []string{"a"}}), refused: "claim", says: "got none"},
		"other hardware":     {pod: claims(map[string]any{policy.ClaimType: "azurevm"}), refused: "claim", says: "expected sevsnpvm, got azurevm"},
		"unsound guest":      {pod: claims(map[string]any{policy.ClaimCompliance: nil}), refused: "claim", says: "the guest system is not the expected one (x-ms-compliance-status)"},
		"debug":              {pod: claims(map[string]any{policy.ClaimDebug: true}), refused: "claim", says: "expected false, got true"},
		"debug, policy mute": {pod: claims(map[string]any{policy.ClaimDebug: true}), cfg: withoutDebug, refused: "debug", says: "debugging is not off: expected false, got true"},
		"debug not told":     {pod: claims(map[string]any{policy.ClaimDebug: nil}), cfg: withoutDebug, refused: "debug", says: "got none"},

		// The runtime data.
		"no runtime data":  {pod: claims(map[string]any{"x-ms-runtime": nil}), refused: "purpose", says: "purpose is not"},
		"a text":           {pod: claims(map[string]any{"x-ms-runtime": "{}"}), refused: "purpose"},
		"keys":             {pod: runtimeData(func(d map[string]any) { d["keys"] = []any{} }), refused: "purpose", says: `got member \"keys\"`},
		"another purpose":  {pod: runtimeData(func(d map[string]any) { d["purpose"] = "kafka-e2ee/release/1" }), refused: "purpose", says: "purpose is not"},
		"another's token":  {pod: runtimeData(func(d map[string]any) { d["spki_sha256"] = strings.Repeat("0", 64) }), refused: "key", says: "the certificate's key is not the attested one: expected 0000"},
		"key hash missing": {pod: runtimeData(func(d map[string]any) { delete(d, "spki_sha256") }), refused: "purpose", says: "spki_sha256"},
		"no nonces":        {pod: runtimeData(func(d map[string]any) { d["nonces"] = []any{} }), refused: "nonce", says: "the token was not made for this connection: expected "},
		"nonce unbound":    {pod: runtimeData(func(d map[string]any) { d["nonces"] = []any{attested.NewNonce()} }), refused: "nonce", says: "1 of other connections"},
		"no keys held":     {pod: runtimeData(func(d map[string]any) { d["key_ids"] = []any{} }), refused: "key_ids", says: "expected at least one key, got 0"},
		"other keys":       {cfg: func(c *attested.Config) { c.KeyIDs = []string{attestedtest.KeyID("other")} }, refused: "key_ids", says: "the pod does not hold the expected key: expected " + attestedtest.KeyID("other") + ", got " + attestedtest.KeyID("demo")},

		// The connection.
		"TLS 1.2":                   {tls: func(_ *testing.T, c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, refused: "connection", says: "got TLS 1.2"},
		"RSA certificate":           {tls: certificate(rsaKey, nil), refused: "connection", says: "a key of type RSA"},
		"P-384 certificate":         {tls: certificate(p384Key, nil), refused: "connection", says: "a key on P-384"},
		"certificate expired":       {tls: certificate(nil, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-10 * time.Minute) }), refused: "connection", says: "valid from"},
		"certificate not yet valid": {tls: certificate(nil, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(10 * time.Minute) }), refused: "connection", says: "valid from"},

		// Sound, though unusual.
		"clocks apart":                {pod: claims(map[string]any{"nbf": unix(4 * time.Minute), "exp": unix(-4 * time.Minute)})},
		"another name":                {tls: certificate(nil, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"page.example"}, nil })},
		"an older token, if accepted": {pod: runtimeData(func(d map[string]any) { d["nonces"] = []any{} }), cfg: func(c *attested.Config) { c.AcceptOlderToken = true }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := attestedtest.NewService(t)
			pod := service.NewPod(t, http.HandlerFunc(page), func(config *tls.Config) {
				if c.tls != nil {
					c.tls(t, config)
				}
			})
			if c.pod != nil {
				c.pod(t, service, pod)
			}
			result, err := newVerifier(t, service, c.cfg).Verify(t.Context(), pod.Address())
			if got := refusedAt(err); got != c.refused || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %q, %v; want %q, %q", got, err, c.refused, c.says)
			}
			if refused, ok := errors.AsType[*attested.RefusedError](err); ok && !slices.Contains(result.Checks, refused.Check) {
				t.Errorf("the checks %+v lack the failed one", result.Checks)
			}
		})
	}
}

func withoutDebug(c *attested.Config) {
	condition := &c.Policy.Authorities[0].Condition
	condition.All = slices.DeleteFunc(condition.All, func(part policy.Condition) bool { return part.Claim == policy.ClaimDebug })
}

func rsaKey() any {
	key, _ := rsa.GenerateKey(rand.Reader, 2048) //nolint:errcheck // the certificate then fails
	return key
}

func p384Key() any {
	key, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader) //nolint:errcheck // the certificate then fails
	return key
}

// resign signs the claims of a token with a key of one's own, and sends that key along.
func resign(t *testing.T, token string, key *rsa.PrivateKey) string {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return forged
}

// A viewer would verify against a policy that any confidential container, or none, satisfies.
func TestCheckPolicy(t *testing.T) {
	service := attestedtest.NewService(t)
	strong := service.Policy()
	if err := attested.CheckPolicy(strong); err != nil {
		t.Error(err)
	}
	if err := attested.CheckPolicy(policy.ForEitherPlatform("maa.example", attestedtest.HostData())); err != nil {
		t.Error(err)
	}
	for _, claim := range []string{policy.ClaimHostData, policy.ClaimType, policy.ClaimCompliance} {
		weak := service.Policy()
		condition := &weak.Authorities[0].Condition
		condition.All = slices.DeleteFunc(condition.All, func(part policy.Condition) bool { return part.Claim == claim })
		for name, p := range map[string]policy.Policy{
			"no " + claim:          weak,
			"a branch lacks it":    {Authorities: append(slices.Clone(strong.Authorities), weak.Authorities...)},
			"an alternative lacks": {Authorities: []policy.Authority{{URL: service.URL, Condition: policy.Condition{Any: []policy.Condition{strong.Authorities[0].Condition, *condition}}}}},
		} {
			if _, err := attested.New(attested.Config{Policy: p}); !errors.Is(err, attested.ErrWeakPolicy) || !strings.Contains(err.Error(), claim) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
	if _, err := attested.New(attested.Config{}); !errors.Is(err, attested.ErrWeakPolicy) {
		t.Errorf("no policy: got %v", err)
	}
	if _, err := attested.New(attested.Config{Policy: strong, KeyIDs: []string{"demo"}}); err == nil {
		t.Error("accepted a key id that no key has")
	}
}

// A viewer of a pod on confidential Azure Container Instances could not verify it by its hash, or would accept VMPL 1.
func TestVerifyEitherPlatform(t *testing.T) {
	service := attestedtest.NewService(t)
	cfg := func(c *attested.Config) { c.Policy = policy.ForEitherPlatform(service.Host(), attestedtest.HostData()) }
	for name, c := range map[string]struct {
		claims  map[string]any
		refused string
	}{
		"Kata CC":           {nil, ""},
		"Kata CC, VMPL 2":   {map[string]any{policy.ClaimVMPL: 2}, ""},
		"ACI":               {map[string]any{policy.ClaimCompliance: policy.ComplianceACI}, ""},
		"ACI, VMPL 1":       {map[string]any{policy.ClaimCompliance: policy.ComplianceACI, policy.ClaimVMPL: 1}, "claim"},
		"unknown guest":     {map[string]any{policy.ClaimCompliance: "azure-compliant-cvm"}, "claim"},
		"debug":             {map[string]any{policy.ClaimDebug: true}, "claim"},
		"another workload":  {map[string]any{policy.ClaimHostData: "00"}, "claim"},
		"debug as a number": {map[string]any{policy.ClaimDebug: json.Number("0")}, "claim"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := service.NewPod(t, http.HandlerFunc(page))
			claims(c.claims)(t, service, pod)
			if _, err := newVerifier(t, service, cfg).Verify(t.Context(), pod.Address()); refusedAt(err) != c.refused {
				t.Errorf("got %v, want %q", err, c.refused)
			}
		})
	}
}
