package attested

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/policy"
)

// Result is what a verification found, up to the step that failed.
type Result struct {
	Checks      []Check
	Certificate *x509.Certificate // of the server; its key is attested if the verification succeeded
	Issued      time.Time         // when the token was made
	Expires     time.Time         // when the token expires, or becomes older than Config.MaxAge
	KeyIDs      []string          // of the keys that the container holds
}

// check notes the outcome of a step.
func (r *Result) check(c Check) error {
	c.Claim, c.Expected, c.Actual = printable(c.Claim), printable(c.Expected), printable(c.Actual)
	r.Checks = append(r.Checks, c)
	if !c.Passed {
		return &RefusedError{c}
	}
	return nil
}

// verify makes all checks over a connection on which nothing was sent yet.
func (v *Verifier) verify(ctx context.Context, conn *tls.Conn, host string) (*Result, error) {
	state := conn.ConnectionState()
	r := &Result{Certificate: state.PeerCertificates[0]}
	if err := r.check(checkConnection(&state, v.cfg.Now())); err != nil {
		return r, err
	}
	nonce := ""
	if !v.cfg.AcceptOlderToken {
		nonce = NewNonce()
	}
	token, err := fetchToken(ctx, conn, host, nonce)
	if err != nil {
		return r, r.refusal(err)
	}
	claims, err := v.checkToken(ctx, r, token)
	if err != nil {
		return r, err
	}
	if err := v.checkClaims(r, claims); err != nil {
		return r, err
	}
	members, _ := claims["x-ms-runtime"].(map[string]any) //nolint:errcheck // nil for another type, and refused
	data, err := ParseRuntimeData(members)
	if err != nil {
		return r, r.check(Check{Step: StepPurpose, Expected: "runtime data of " + Purpose, Actual: err.Error()})
	}
	key := KeyHash(r.Certificate)
	if err := r.check(Check{Step: StepKey, Expected: fmt.Sprintf("%x", data.KeyHash), Actual: fmt.Sprintf("%x", key), Passed: key == data.KeyHash}); err != nil {
		return r, err
	}
	if nonce != "" {
		bound, err := BindNonce(nonce, &state)
		if err != nil {
			return r, err
		}
		if err := r.check(Check{Step: StepNonce, Expected: bound, Actual: listed(data.Nonces, bound), Passed: slices.Contains(data.Nonces, bound)}); err != nil {
			return r, err
		}
	}
	r.KeyIDs = data.KeyIDs
	return r, v.checkKeyIDs(r)
}

// checkToken refuses a token that no authority of the policy has signed, or that is not valid now. No other host is asked.
func (v *Verifier) checkToken(ctx context.Context, r *Result, token string) (policy.Claims, error) {
	expected := make([]string, len(v.cfg.Policy.Authorities))
	for i, authority := range v.cfg.Policy.Authorities {
		expected[i] = authority.URL
	}
	signed := Check{Step: StepToken, Expected: strings.Join(expected, " or "), Actual: "a token that is not a JWT signed with RS256"}
	unverified, ok := peek(token)
	if !ok {
		return nil, r.check(signed)
	}
	signed.Actual, _ = unverified.Text("iss")
	authority := v.authorities[signed.Actual]
	if authority == nil {
		if signed.Actual == "" {
			signed.Actual = "a token without issuer"
		}
		return nil, r.check(signed)
	}
	now := v.cfg.Now()
	issued, expires := unverified.Time("iat"), unverified.Time("exp")
	valid := Check{
		Step: StepTime, Expected: "valid at " + stamp(now),
		Actual: fmt.Sprintf("%s, valid from %s to %s", age(issued, now), stamp(unverified.Time("nbf")), stamp(expires)),
	}
	claims, err := authority.Verify(ctx, token, now, Skew)
	if failure, ok := errors.AsType[*skrclient.Error](err); ok {
		switch failure.Cause {
		case skrclient.CauseNoSigningKeys:
			return nil, fmt.Errorf("checking token: the signing keys of %s cannot be fetched (hint: check the network and, if its certificate is not a public one, -ca)", signed.Actual)
		case skrclient.CauseExpired:
			return nil, r.check(valid)
		default:
			signed.Actual = "another signature"
			return nil, r.check(signed)
		}
	}
	if err != nil {
		return nil, err
	}
	signed.Passed = true
	if err := r.check(signed); err != nil {
		return nil, err
	}
	valid.Passed = true
	if v.cfg.MaxAge > 0 {
		valid.Expected += fmt.Sprintf(", at most %s old", v.cfg.MaxAge)
		valid.Passed = !issued.IsZero() && now.Sub(issued) <= v.cfg.MaxAge
		if oldest := issued.Add(v.cfg.MaxAge); oldest.Before(expires) {
			expires = oldest
		}
	}
	r.Issued, r.Expires = issued, expires
	return claims, r.check(valid)
}

// checkClaims compares the claims with the policy, as the vault does. It notes all of its claims, and fails for the first
// that differs. Debugging must be off, whatever the policy says.
func (v *Verifier) checkClaims(r *Result, claims policy.Claims) error {
	var first error
	for _, c := range v.cfg.Policy.Compare(claims) {
		if c.Claim == "iss" {
			continue // it was compared before the signature
		}
		err := r.check(Check{Step: StepClaim, Claim: c.Claim, Expected: c.Expected, Actual: orNone(c.Actual), Passed: c.Result == policy.Equal})
		if first == nil {
			first = err
		}
	}
	if first != nil {
		return first
	}
	debug, _ := claims.Text(policy.ClaimDebug)
	return r.check(Check{Step: StepDebug, Expected: "false", Actual: orNone(debug), Passed: debug == "false"})
}

func (v *Verifier) checkKeyIDs(r *Result) error {
	if len(v.cfg.KeyIDs) == 0 {
		return r.check(Check{Step: StepKeyIDs, Expected: "at least one key", Actual: fmt.Sprintf("%d", len(r.KeyIDs)), Passed: len(r.KeyIDs) > 0})
	}
	held := "no key"
	if len(r.KeyIDs) > 0 {
		held = strings.Join(r.KeyIDs, ", ")
	}
	for _, id := range v.cfg.KeyIDs {
		if err := r.check(Check{Step: StepKeyIDs, Expected: id, Actual: held, Passed: slices.Contains(r.KeyIDs, id)}); err != nil {
			return err
		}
	}
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "no time"
	}
	return t.UTC().Format(time.RFC3339)
}

func age(issued, now time.Time) string {
	if issued.IsZero() {
		return "of unknown age"
	}
	return fmt.Sprintf("%s old", max(0, now.Sub(issued).Truncate(time.Second)))
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func listed(nonces []string, bound string) string {
	if slices.Contains(nonces, bound) {
		return bound
	}
	return fmt.Sprintf("%d of other connections", len(nonces))
}

// peek reads the claims of a token without verifying anything.
func peek(token string) (policy.Claims, bool) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, false
	}
	claims, err := policy.ParseClaims(jws.UnsafePayloadWithoutVerification())
	return claims, err == nil
}
