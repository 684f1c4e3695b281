package consumer

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

// Without it a user would fix one variable after the other, or learn of a typo from an empty page.
func TestLoadReportsAllProblems(t *testing.T) {
	const secretish = "do-not-print"
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	sender := "alice\n" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	tests := map[string]struct {
		set  map[string]string
		want []string // variables that the error names; none: no error
	}{
		"nothing set":         {nil, nil},
		"the article's":       {map[string]string{"SkrClientKID": "kafka-encryption-demo", "SkrClientMAAEndpoint": "sharedeus2.eus2.test.attest.azure.net", "SkrClientAKVEndpoint": "myKeyVault.vault.azure.net", "TOPIC": "kafka-demo-topic"}, nil},
		"several keys":        {map[string]string{"SkrClientKID": "a, b/1", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "v.example"}, nil},
		"upper case":          {map[string]string{"SKRCLIENTKID": "x"}, nil},
		"one of three":        {map[string]string{"SkrClientKID": "x"}, nil}, // a state on the page
		"only commas":         {map[string]string{"SkrClientKID": ",", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "v.example"}, nil},
		"wrong, not all":      {map[string]string{"SkrClientKID": "x y", "SkrClientAKVEndpoint": secretish + "/path"}, []string{"SkrClientKID", "SkrClientAKVEndpoint"}},
		"set to nothing":      {map[string]string{"SkrClientKID": "", "SkrClientMAAEndpoint": "", "SkrClientAKVEndpoint": "", "TOPIC": "", "CONSUMERGROUP": "", "BROKERS": ""}, nil},
		"line breaks":         {map[string]string{"SkrClientKID": "x\n", "SkrClientMAAEndpoint": "m.example\r\n", "SkrClientAKVEndpoint": " v.example", "SKR_URL": "http://localhost:8080\n", "WEB_ADDR": ":3333\n", "METRICS_ADDR": ":9464\n", "WEB_HOSTS": "a, b\n"}, nil},
		"quotes":              {map[string]string{"SkrClientKID": `"x"`, "SkrClientMAAEndpoint": `"m"`, "SkrClientAKVEndpoint": "a;b", "SKR_URL": `"http://localhost"`, "CDH_URL": "", "WEB_ADDR": `":1"`, "WEB_HOSTS": `"a"`}, []string{"SkrClientKID", "SkrClientMAAEndpoint", "SkrClientAKVEndpoint", "SKR_URL", "WEB_ADDR", "WEB_HOSTS"}},
		"URLs' ports":         {map[string]string{"SKR_URL": "http://localhost:99999"}, []string{"SKR_URL"}},
		"URLs' ports, hub":    {map[string]string{"KEY_PROVIDER": "cdh", "CDH_URL": "http://127.0.0.1:"}, []string{"CDH_URL"}},
		"twice":               {map[string]string{"SkrClientKID": "a,a", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "v.example"}, []string{"SkrClientKID"}},
		"scheme":              {map[string]string{"SkrClientKID": "x", "SkrClientMAAEndpoint": "http://" + secretish, "SkrClientAKVEndpoint": "v.example/keys/"}, []string{"SkrClientMAAEndpoint", "SkrClientAKVEndpoint"}},
		"sidecar far away":    {map[string]string{"SKR_URL": "http://" + secretish + ":8080"}, []string{"SKR_URL"}},
		"everything":          {map[string]string{"WEB_HISTORY": secretish, "BROKERS": secretish, "SKR_URL": "", "TEMPL_DEV_MODE": "1"}, []string{"WEB_HISTORY", "BROKERS", "SKR_URL", "TEMPL_DEV_MODE"}},
		"no senders":          {map[string]string{"TRUSTED_SENDERS_FILE": "/" + secretish}, []string{"TRUSTED_SENDERS_FILE"}},
		"senders inline":      {map[string]string{"TRUSTED_SENDERS": sender, "REQUIRE_SENDER": "verified"}, nil},
		"senders, a path":     {map[string]string{"TRUSTED_SENDERS": "/" + secretish}, []string{"TRUSTED_SENDERS"}},
		"senders twice":       {map[string]string{"TRUSTED_SENDERS": sender, "TRUSTED_SENDERS_FILE": "/" + secretish}, []string{"TRUSTED_SENDERS and TRUSTED_SENDERS_FILE"}},
		"users inline":        {map[string]string{"WEB_USERS": secretish}, []string{"WEB_USERS"}},
		"roots inline":        {map[string]string{"WEB_CLIENT_CA": secretish}, []string{"WEB_CLIENT_CA"}},
		"another provider":    {map[string]string{"KEY_PROVIDER": secretish}, []string{"KEY_PROVIDER"}},
		"data hub":            {map[string]string{"KEY_PROVIDER": "cdh", "SkrClientKID": "default/key/demo"}, nil},
		"hub, no resource":    {map[string]string{"KEY_PROVIDER": "cdh", "SkrClientKID": "demo", "CDH_URL": "http://" + secretish}, []string{"SkrClientKID", "CDH_URL"}},
		"hub, no name":        {map[string]string{"KEY_PROVIDER": "cdh"}, nil},
		"file":                {map[string]string{"KEY_PROVIDER": "file", "KEY_FILE": "/" + secretish, "SkrClientKID": "demo"}, nil}, // it may come later
		"file, no path":       {map[string]string{"KEY_PROVIDER": "file"}, []string{"KEY_FILE"}},
		"file, not chosen":    {map[string]string{"KEY_FILE": "/" + secretish}, []string{"KEY_FILE"}},
		"no roots":            {map[string]string{"SkrClientKID": "x", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "v.example", "ATTESTATION_CA_FILE": "/" + secretish}, []string{"ATTESTATION_CA_FILE"}},
		"no policy":           {map[string]string{"RELEASE_POLICY_FILE": "/" + secretish}, []string{"RELEASE_POLICY_FILE"}},
		"token, no key":       {map[string]string{"SKR_ACCESS_TOKEN_FILE": "/" + secretish}, []string{"SKR_ACCESS_TOKEN_FILE"}},
		"token, data hub":     {map[string]string{"SKR_ACCESS_TOKEN_FILE": "/" + secretish, "KEY_PROVIDER": "cdh", "SkrClientKID": "default/key/demo"}, []string{"SKR_ACCESS_TOKEN_FILE"}},
		"attested only":       {map[string]string{"WEB_ADDR": "", "WEB_ATTESTED_ADDR": ":3443", "WEB_HOSTS": "a"}, nil},
		"attested, by word":   {map[string]string{"WEB_ADDR": "none", "WEB_ATTESTED_ADDR": ":3443", "WEB_HOSTS": "a"}, nil},
		"no address, by word": {map[string]string{"WEB_ADDR": "none"}, []string{"WEB_ADDR"}},
		"no address":          {map[string]string{"WEB_ATTESTED_ADDR": "", "WEB_ADDR": ""}, []string{"WEB_ADDR"}},
		"attested, hosts":     {map[string]string{"WEB_ATTESTED_ADDR": ":3443"}, []string{"WEB_HOSTS"}},
		"addresses":           {map[string]string{"WEB_ADDR": "", "METRICS_ADDR": secretish}, []string{"WEB_ADDR", "METRICS_ADDR"}},
		"topic":               {map[string]string{"TOPIC": secretish + "/"}, []string{"TOPIC"}},
		"no metrics":          {map[string]string{"METRICS_ADDR": ""}, nil},
		"access":              {map[string]string{"WEB_ADDR": secretish, "WEB_TLS_CERT_FILE": "/" + secretish, "WEB_USERS_FILE": "/" + secretish, "WEB_HOSTS": "", "WEB_STREAMS": "-1"}, []string{"WEB_ADDR", "WEB_TLS_CERT_FILE", "WEB_TLS_KEY_FILE", "WEB_USERS_FILE", "WEB_HOSTS", "WEB_STREAMS"}},
		"unpacked":            {map[string]string{"KAFKA_UNPACKED_BYTES": "1000"}, []string{"KAFKA_UNPACKED_BYTES"}},
		"isolation":           {map[string]string{"KAFKA_ISOLATION": secretish}, []string{"KAFKA_ISOLATION"}},
		"uncommitted":         {map[string]string{"KAFKA_ISOLATION": "read_uncommitted"}, nil},
		"requirements":        {map[string]string{"REQUIRE_FORMAT": "envelope,jwe", "ALLOWED_READERS": "held"}, nil},
		"no requirements":     {map[string]string{"REQUIRE_FORMAT": "", "REQUIRE_SENDER": "", "ALLOWED_READERS": ""}, nil},
		"requirements not":    {map[string]string{"REQUIRE_FORMAT": secretish, "REQUIRE_SENDER": secretish, "ALLOWED_READERS": secretish}, []string{"REQUIRE_FORMAT", "REQUIRE_SENDER", "ALLOWED_READERS"}},
		"nobody trusted":      {map[string]string{"REQUIRE_SENDER": "verified"}, []string{"REQUIRE_SENDER"}},
		"readers, not own":    {map[string]string{"ALLOWED_READERS": strings.Repeat("A", 43)}, []string{"ALLOWED_READERS"}},
		"mirror":              {map[string]string{"TOPIC": "us.orders", "TOPIC_MIRROR_OF": "orders"}, nil},
		"mirror, a typo":      {map[string]string{"TOPIC_MIRROR_OF": secretish + "/"}, []string{"TOPIC_MIRROR_OF"}},
		"fresh":               {map[string]string{"REQUIRE_FRESH": "true", "REQUIRE_SENDER": "verified", "TRUSTED_SENDERS": sender}, nil},
		"fresh, no sender":    {map[string]string{"REQUIRE_FRESH": "true", "TRUSTED_SENDERS": sender}, []string{"REQUIRE_FRESH"}},
		"fresh, a typo":       {map[string]string{"REQUIRE_FRESH": secretish}, []string{"REQUIRE_FRESH"}},
		"keys":                {map[string]string{"EXPECTED_KEY_IDS": strings.Repeat("A", 43) + ", " + strings.Repeat("B", 42) + "A"}, nil},
		"any key":             {map[string]string{"EXPECTED_KEY_IDS": ""}, nil},
		"no key":              {map[string]string{"EXPECTED_KEY_IDS": ","}, []string{"EXPECTED_KEY_IDS"}},
		"one of two keys":     {map[string]string{"EXPECTED_KEY_IDS": strings.Repeat("A", 43) + "," + secretish}, []string{"EXPECTED_KEY_IDS"}},
		"long name":           {map[string]string{"WEB_NAME": strings.Repeat("x", 61)}, []string{"WEB_NAME"}},
		"history":             {map[string]string{"WEB_HISTORY": "0"}, []string{"WEB_HISTORY"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(func(name string) (string, bool) { v, ok := test.set[name]; return v, ok })
			if (err == nil) != (len(test.want) == 0) {
				t.Fatalf("got error %v", err)
			}
			for _, variable := range test.want {
				if !strings.Contains(err.Error(), variable+":") {
					t.Errorf("the error does not name %s: %v", variable, err)
				}
			}
			if err != nil && strings.Contains(err.Error(), secretish) {
				t.Error("the error holds a variable's value")
			}
		})
	}
}
