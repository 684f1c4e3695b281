package consumer

import (
	"strings"
	"testing"
)

// Without this a user would mend one variable after the other, or learn of a typo by an empty page.
func TestLoadReportsAllProblems(t *testing.T) {
	const secretish = "do-not-print"
	tests := map[string]struct {
		set  map[string]string
		want []string // variables that the error names; none: no error
	}{
		"nothing set":      {nil, nil},
		"the document's":   {map[string]string{"SkrClientKID": "kafka-encryption-demo", "SkrClientMAAEndpoint": "sharedeus2.eus2.test.attest.azure.net", "SkrClientAKVEndpoint": "myKeyVault.vault.azure.net", "TOPIC": "kafka-demo-topic"}, nil},
		"several keys":     {map[string]string{"SkrClientKID": "a, b/1", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "v.example"}, nil},
		"upper case":       {map[string]string{"SKRCLIENTKID": "x"}, nil},
		"one of three":     {map[string]string{"SkrClientKID": "x"}, []string{"SkrClientMAAEndpoint", "SkrClientAKVEndpoint"}},
		"only commas":      {map[string]string{"SkrClientKID": ",", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "v.example"}, []string{"SkrClientKID"}},
		"twice":            {map[string]string{"SkrClientKID": "a,a", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "v.example"}, []string{"SkrClientKID"}},
		"scheme":           {map[string]string{"SkrClientKID": "x", "SkrClientMAAEndpoint": "https://" + secretish, "SkrClientAKVEndpoint": "v.example/"}, []string{"SkrClientMAAEndpoint", "SkrClientAKVEndpoint"}},
		"sidecar far away": {map[string]string{"SKR_URL": "http://" + secretish + ":8080"}, []string{"SKR_URL"}},
		"everything":       {map[string]string{"WEB_HISTORY": secretish, "TOPIC": "", "CONSUMERGROUP": "", "BROKERS": secretish, "SKR_URL": "", "TEMPL_DEV_MODE": "1"}, []string{"WEB_HISTORY", "TOPIC", "CONSUMERGROUP", "BROKERS", "SKR_URL", "TEMPL_DEV_MODE"}},
		"no senders":       {map[string]string{"TRUSTED_SENDERS_FILE": "/" + secretish}, []string{"TRUSTED_SENDERS_FILE"}},
		"another provider": {map[string]string{"KEY_PROVIDER": secretish}, []string{"KEY_PROVIDER"}},
		"data hub":         {map[string]string{"KEY_PROVIDER": "cdh", "SkrClientKID": "default/key/demo"}, nil},
		"hub, no resource": {map[string]string{"KEY_PROVIDER": "cdh", "SkrClientKID": "demo", "CDH_URL": "http://" + secretish}, []string{"SkrClientKID", "CDH_URL"}},
		"hub, no name":     {map[string]string{"KEY_PROVIDER": "cdh"}, []string{"SkrClientKID"}},
		"file":             {map[string]string{"KEY_PROVIDER": "file", "KEY_FILE": "/" + secretish, "SkrClientKID": "demo"}, nil}, // it may come later
		"file, no path":    {map[string]string{"KEY_PROVIDER": "file"}, []string{"KEY_FILE"}},
		"file, not chosen": {map[string]string{"KEY_FILE": "/" + secretish}, []string{"KEY_FILE"}},
		"no roots":         {map[string]string{"SkrClientKID": "x", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "v.example", "ATTESTATION_CA_FILE": "/" + secretish}, []string{"ATTESTATION_CA_FILE"}},
		"no policy":        {map[string]string{"RELEASE_POLICY_FILE": "/" + secretish}, []string{"RELEASE_POLICY_FILE"}},
		"token, no key":    {map[string]string{"SKR_ACCESS_TOKEN_FILE": "/" + secretish}, []string{"SKR_ACCESS_TOKEN_FILE"}},
		"token, data hub":  {map[string]string{"SKR_ACCESS_TOKEN_FILE": "/" + secretish, "KEY_PROVIDER": "cdh", "SkrClientKID": "default/key/demo"}, []string{"SKR_ACCESS_TOKEN_FILE"}},
		"addresses":        {map[string]string{"WEB_ADDR": "", "METRICS_ADDR": secretish}, []string{"WEB_ADDR", "METRICS_ADDR"}},
		"no metrics":       {map[string]string{"METRICS_ADDR": ""}, nil},
		"access":           {map[string]string{"WEB_ADDR": secretish, "WEB_TLS_CERT_FILE": "/" + secretish, "WEB_USERS_FILE": "/" + secretish, "WEB_HOSTS": "", "WEB_STREAMS": "-1"}, []string{"WEB_ADDR", "WEB_TLS_CERT_FILE", "WEB_TLS_KEY_FILE", "WEB_USERS_FILE", "WEB_HOSTS", "WEB_STREAMS"}},
		"unpacked":         {map[string]string{"KAFKA_UNPACKED_BYTES": "1000"}, []string{"KAFKA_UNPACKED_BYTES"}},
		"history":          {map[string]string{"WEB_HISTORY": "0"}, []string{"WEB_HISTORY"}},
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
