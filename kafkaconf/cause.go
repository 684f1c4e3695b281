package kafkaconf

// Cause is the reason why Kafka cannot be used. It holds no secret. The only texts in it that a broker chose are names
// of hosts and certificates, reduced to the characters of names.
type Cause struct {
	Code    Code
	Peer    string // the broker or host that the code is about, if any
	Detail  string // what else the code is about, if anything: a certificate's name, a time, a number
	What    string // Code, Peer and Detail in English, for logs
	Hint    string // the variable or the thing to look at, in English
	Refused bool   // Kafka answered with a refusal
}

// String returns What and Hint in one line.
func (c Cause) String() string { return c.What + " (hint: check " + c.Hint + ")" }

// Code names a cause, so that a page can choose its own words for it. The codes of Kafka's answers are in [codeCauses].
type Code string

// The codes that this package chooses itself.
const (
	// Connections.
	NoAnswer          Code = "no_answer"
	HostNotFound      Code = "host_not_found"
	ConnectionRefused Code = "connection_refused"
	ConnectionClosed  Code = "connection_closed"
	Timeout           Code = "timeout"
	ConnectFailed     Code = "connect_failed"
	Disconnected      Code = "disconnected"
	SessionEnded      Code = "session_ended"

	// TLS.
	NotTLS                       Code = "not_tls"
	TLSFailed                    Code = "tls_failed"
	TLSEnded                     Code = "tls_ended"
	UnknownCA                    Code = "unknown_ca"
	WrongName                    Code = "wrong_name"
	CertificateExpired           Code = "certificate_expired"
	CertificateNotYetValid       Code = "certificate_not_yet_valid"
	CertificateNotForServer      Code = "certificate_not_for_server"
	NoSystemCA                   Code = "no_system_ca"
	ClientCertificateMissing     Code = "client_certificate_missing"
	ClientCertificateRefused     Code = "client_certificate_refused"
	ClientCertificateExpired     Code = "client_certificate_expired"
	ClientCertificateNotYetValid Code = "client_certificate_not_yet_valid"

	// Signing in. Cut off means that Kafka closed the connection instead of refusing.
	SignInFailed            Code = "sign_in_failed"
	PasswordRefused         Code = "password_refused"
	TokenRefused            Code = "token_refused"
	IdentityRefused         Code = "identity_refused"
	ConnectionStringRefused Code = "connection_string_refused"
	PasswordCutOff          Code = "password_cut_off"
	TokenCutOff             Code = "token_cut_off"
	IdentityCutOff          Code = "identity_cut_off"
	ConnectionStringCutOff  Code = "connection_string_cut_off"
	EntraRefused            Code = "entra_refused"

	// This client, and what it cannot read.
	TopicRecreated   Code = "topic_recreated"
	SettingInvalid   Code = "setting_invalid"
	AnswerUnreadable Code = "answer_unreadable"
	ConfigInvalid    Code = "config_invalid"
	UnknownErrorCode Code = "unknown_error_code"
)

// Codes returns every code.
func Codes() []Code {
	codes := []Code{
		NoAnswer, HostNotFound, ConnectionRefused, ConnectionClosed, Timeout, ConnectFailed, Disconnected, SessionEnded,
		NotTLS, TLSFailed, TLSEnded, UnknownCA, WrongName, CertificateExpired, CertificateNotYetValid,
		CertificateNotForServer, NoSystemCA, ClientCertificateMissing, ClientCertificateRefused, ClientCertificateExpired,
		ClientCertificateNotYetValid,
		SignInFailed, PasswordRefused, TokenRefused, IdentityRefused, ConnectionStringRefused, PasswordCutOff, TokenCutOff,
		IdentityCutOff, ConnectionStringCutOff, EntraRefused,
		SettingInvalid, AnswerUnreadable, ConfigInvalid, UnknownErrorCode,
	}
	for _, a := range codeCauses() {
		codes = append(codes, a.code)
	}
	return codes
}
