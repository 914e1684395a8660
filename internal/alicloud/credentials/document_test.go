// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Values that no error and no log may show.
const (
	testSecret = "S3cretS3cretS3cretS3cretS3cret"
	testToken  = "T0kenT0kenT0kenT0kenT0ken/+=="
)

var (
	permanent = Credentials{AccessKeyID: "LTAI5tPermanent01", AccessKeySecret: testSecret}
	temporary = Credentials{AccessKeyID: "STS.Temporary01", AccessKeySecret: testSecret, SecurityToken: testToken}
)

func TestParseDocument(t *testing.T) {
	t.Parallel()
	expiring := temporary
	expiring.Expiration = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	dotenv := map[string]string{
		variableAccessKeyID: permanent.AccessKeyID, variableAccessKeySecret: testSecret,
	}
	tests := []struct {
		name, content, profile string
		want                   document
		wantErr                string
	}{
		{
			name:    "dotenv with an access key",
			content: "ALIBABA_CLOUD_ACCESS_KEY_ID=LTAI5tPermanent01\nALIBABA_CLOUD_ACCESS_KEY_SECRET=" + testSecret + "\n",
			want:    document{key: permanent, variables: dotenv},
		},
		{
			name: "dotenv from Windows, with a byte order mark, quotes, export and comments",
			content: "\xef\xbb\xbf# key of the backup user\r\nexport ALIBABA_CLOUD_ACCESS_KEY_ID=\"LTAI5tPermanent01\"\r\n" +
				"export ALIBABA_CLOUD_ACCESS_KEY_SECRET='" + testSecret + "'\r\n",
			want: document{key: permanent, variables: dotenv},
		},
		{
			name: "dotenv with the STS token of the official plugin",
			content: "ALIBABA_CLOUD_ACCESS_KEY_ID=STS.Temporary01\nALIBABA_CLOUD_ACCESS_KEY_SECRET=" + testSecret +
				"\nALIBABA_CLOUD_ACCESS_STS_TOKEN=" + testToken,
			want: document{key: temporary, variables: map[string]string{
				variableAccessKeyID: temporary.AccessKeyID, variableAccessKeySecret: testSecret, variableSTSToken: testToken,
			}},
		},
		{
			name: "dotenv with the security token of the SDKs",
			content: "ALIBABA_CLOUD_ACCESS_KEY_ID=STS.Temporary01\nALIBABA_CLOUD_ACCESS_KEY_SECRET=" + testSecret +
				"\nALIBABA_CLOUD_SECURITY_TOKEN=" + testToken,
			want: document{key: temporary, variables: map[string]string{
				variableAccessKeyID: temporary.AccessKeyID, variableAccessKeySecret: testSecret, variableSecurityToken: testToken,
			}},
		},
		{
			name:    "dotenv that only names the role of the node",
			content: "ALIBABA_CLOUD_RAM_ROLE=KubernetesWorkerRole-1\n",
			want:    document{nodeRole: "KubernetesWorkerRole-1", variables: map[string]string{variableRAMRole: "KubernetesWorkerRole-1"}},
		},
		{
			name:    "dotenv that names a role to assume by RRSA",
			content: "ALIBABA_CLOUD_ROLE_ARN=acs:ram::1:role/velero\n",
			want:    document{oidc: true, variables: map[string]string{variableRoleARN: "acs:ram::1:role/velero"}},
		},
		{
			name:    "dotenv that configures encryption alone has no credentials and is no error",
			content: "ALIBABA_CLOUD_ENCRYPTION_KEY_ID=key-1\n",
			want:    document{variables: map[string]string{"ALIBABA_CLOUD_ENCRYPTION_KEY_ID": "key-1"}},
		},
		{
			name:    "dotenv without the secret",
			content: "ALIBABA_CLOUD_ACCESS_KEY_ID=LTAI5tPermanent01\n",
			wantErr: "must be set together",
		},
		{
			name:    "dotenv with nothing that is understood",
			content: "FOO=bar\n",
			wantErr: "sets none of the variables that are understood",
		},
		{
			name:    "dotenv with an open quote",
			content: "ALIBABA_CLOUD_ACCESS_KEY_ID=LTAI5tPermanent01\nALIBABA_CLOUD_ACCESS_KEY_SECRET=\"" + testSecret,
			wantErr: "not made of KEY=VALUE lines",
		},
		{
			name:    "dotenv with the placeholders of an example",
			content: "ALIBABA_CLOUD_ACCESS_KEY_ID=<your-id>\nALIBABA_CLOUD_ACCESS_KEY_SECRET=<your-secret>\n",
			wantErr: "the access key id is still the placeholder",
		},
		{
			name:    "dotenv with a line break inside the secret",
			content: "ALIBABA_CLOUD_ACCESS_KEY_ID=LTAI5tPermanent01\nALIBABA_CLOUD_ACCESS_KEY_SECRET=\"" + testSecret + "\n\"\n",
			wantErr: "the access key secret contains a character that no key has",
		},
		{
			name:    "INI in the style of AWS",
			content: "[default]\naws_access_key_id = LTAI5tPermanent01\naws_secret_access_key = " + testSecret + "\n",
			want:    document{key: permanent, profile: "default"},
		},
		{
			name:    "INI in the style of AWS with a session token, capitals and no spaces",
			content: "[default]\nAWS_ACCESS_KEY_ID=STS.Temporary01\nAWS_SECRET_ACCESS_KEY=" + testSecret + "\nAWS_SESSION_TOKEN=" + testToken,
			want:    document{key: temporary, profile: "default"},
		},
		{
			name: "INI in the style of Alibaba Cloud, another profile",
			content: "[default]\ntype = access_key\naccess_key_id = other\naccess_key_secret = other\n" +
				"[backup]\ntype = access_key\naccess_key_id = LTAI5tPermanent01\naccess_key_secret = " + testSecret,
			profile: "backup",
			want:    document{key: permanent, profile: "backup"},
		},
		{
			name:    "INI without a section is the default profile",
			content: "# comment\n; comment\n\naccess_key_id = LTAI5tPermanent01\naccess_key_secret = " + testSecret,
			want:    document{key: permanent, profile: "default"},
		},
		{
			name:    "INI values are taken as they are",
			content: "[default]\naccess_key_id = LTAI5tPermanent01\naccess_key_secret = a#b;c%(access_key_id)s\\\n",
			want:    document{key: Credentials{AccessKeyID: "LTAI5tPermanent01", AccessKeySecret: `a#b;c%(access_key_id)s\`}, profile: "default"},
		},
		{
			name:    "INI with the role of the node",
			content: "[default]\ntype = ecs_ram_role\nrole_name = worker\n",
			want:    document{nodeRole: "worker", profile: "default"},
		},
		{
			name: "INI with a role to assume",
			content: "[default]\ntype = ram_role_arn\naccess_key_id = LTAI5tPermanent01\naccess_key_secret = " + testSecret +
				"\nrole_arn = acs:ram::1:role/backup\nrole_session_name = velero\nexternal_id = x\n",
			want: document{
				key:     permanent,
				assume:  assumption{roleARN: "acs:ram::1:role/backup", sessionName: "velero", externalID: "x"},
				profile: "default",
			},
		},
		{
			name:    "INI without the profile names those that it has",
			content: "[default]\naccess_key_id=x\naccess_key_secret=" + testSecret + "\n[prod]\naccess_key_id=x\n",
			profile: "backup",
			wantErr: `the file has no profile "backup"; it has: default, prod`,
		},
		{
			name:    "INI with an empty section",
			content: "[empty]\n",
			profile: "backup",
			wantErr: "it has: none",
		},
		{
			name:    "INI without the secret",
			content: "[default]\naccess_key_id = LTAI5tPermanent01\n",
			wantErr: `profile "default": the access key secret is missing: set access_key_id and access_key_secret`,
		},
		{
			name:    "INI with a type that is not supported",
			content: "[default]\ntype = rsa_key_pair\n",
			wantErr: `type "rsa_key_pair" is not supported`,
		},
		{
			name:    "INI with the role of the node but not its name",
			content: "[default]\ntype = ecs_ram_role\n",
			wantErr: "needs the key role_name",
		},
		{
			name:    "INI with a role to assume but not its ARN",
			content: "[default]\ntype = ram_role_arn\naccess_key_id = a\naccess_key_secret = " + testSecret,
			wantErr: "needs the key role_arn",
		},
		{
			name:    "INI with a line that is not one",
			content: "[default]\n" + testSecret + "\n",
			wantErr: "not a valid INI file",
		},
		{
			name:    "ACK addon token",
			content: addonToken(t, expiring),
			want:    document{key: expiring},
		},
		{
			name:    "ACK addon token with a line break after it",
			content: addonToken(t, expiring) + "\n",
			want:    document{key: expiring},
		},
		{
			name:    "JSON of something else",
			content: `{"mode": "AK", "secret": "` + testSecret + `"}`,
			wantErr: "the JSON is not an ACK addon token",
		},
		{
			name:    "JSON that is cut off",
			content: `{"keyring": "` + testSecret,
			wantErr: "not the JSON of an ACK addon token",
		},
		{name: "an empty file", content: " \n", wantErr: "the file is empty"},
		{name: "comments alone", content: "# nothing\n", wantErr: "only comments"},
		{name: "a bare secret", content: "\n" + testSecret, wantErr: "line 1 is neither KEY=VALUE, nor a [section]"},
		{name: "UTF-16", content: "\xff\xfeA\x00", wantErr: "not UTF-8"},
		{name: "binary", content: "A\x00B=1", wantErr: "not UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseDocument([]byte(tt.content), tt.profile)
			checkError(t, err, tt.wantErr)
			if err != nil {
				return
			}
			if diff := cmp.Diff(reveal(tt.want), reveal(got)); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseAddonTokenThatIsDamaged(t *testing.T) {
	t.Parallel()
	whole := map[string]string{}
	expiring := temporary
	expiring.Expiration = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := json.Unmarshal([]byte(addonToken(t, expiring)), &whole); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, field, value, wantErr string
	}{
		{"a keyring of the wrong length", "keyring", "short", "is not an AES key"},
		{"the keyring of another token", "keyring", "0123456789abcdef0123456789abcdeX", "the keyring does not fit it"},
		{"a field that is not base64", "access.key.id", "?", "decrypt access.key.id of the ACK addon token: it is not base64"},
		{"a field that is cut off", "security.token", "AAAA", "its length is not"},
		{"no expiry", "expiration", "", "not an RFC 3339 time"},
		{"no secret", "access.key.secret", "", "needs access.key.id, access.key.secret"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			damaged := map[string]string{tt.field: tt.value}
			for field, value := range whole {
				if field != tt.field {
					damaged[field] = value
				}
			}
			content, err := json.Marshal(damaged)
			if err != nil {
				t.Fatal(err)
			}
			_, err = parseAddonToken(content)
			checkError(t, err, tt.wantErr)
		})
	}
}

func FuzzParseDocument(f *testing.F) {
	f.Add("ALIBABA_CLOUD_ACCESS_KEY_ID=a\nALIBABA_CLOUD_ACCESS_KEY_SECRET="+testSecret, "")
	f.Add("export A: \"b\\n\"\n", "")
	f.Add("[default]\naccess_key_id = a\naccess_key_secret = "+testSecret+"\n", "default")
	f.Add("[default]\naws_access_key_id = \"\"\"a\n"+testSecret+"\n", "x")
	f.Add(addonToken(f, temporary), "")
	f.Add("\xef\xbb\xbf{", "")
	f.Fuzz(func(t *testing.T, content, profile string) {
		doc, err := parseDocument([]byte(content), profile)
		if err != nil {
			if strings.Contains(err.Error(), testSecret) {
				t.Errorf("the error shows the secret: %v", err)
			}
			return
		}
		if doc.key != (Credentials{}) {
			if err := checkKeyPair(doc.key); err != nil {
				t.Errorf("a key that cannot work was accepted: %v", err)
			}
		}
		if !doc.configured() && len(doc.variables) == 0 {
			t.Error("a file that says nothing was accepted")
		}
	})
}

func FuzzParseAddonToken(f *testing.F) {
	f.Add([]byte(addonToken(f, temporary)))
	f.Add([]byte(`{"keyring":"0123456789abcdef","access.key.id":"AAAA","access.key.secret":"","security.token":""}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		key, err := parseAddonToken(content)
		if err == nil && (key.SecurityToken == "" || key.Expiration.IsZero() && !bytes.Contains(content, []byte("0001-01-01"))) {
			t.Errorf("an incomplete token was accepted")
		}
	})
}

// addonToken encrypts credentials as ACK does.
func addonToken(tb testing.TB, key Credentials) string {
	tb.Helper()
	const keyring = "0123456789abcdef0123456789abcdef"
	block, err := aes.NewCipher([]byte(keyring))
	if err != nil {
		tb.Fatal(err)
	}
	encrypt := func(text string) string {
		padding := aes.BlockSize - len(text)%aes.BlockSize
		data := append([]byte(text), bytes.Repeat([]byte{byte(padding)}, padding)...)
		vector := []byte("initial-vector-1")
		cipher.NewCBCEncrypter(block, vector).CryptBlocks(data, data)
		return base64.StdEncoding.EncodeToString(append(vector, data...))
	}
	content, err := json.Marshal(map[string]string{
		"access.key.id":     encrypt(key.AccessKeyID),
		"access.key.secret": encrypt(key.AccessKeySecret),
		"security.token":    encrypt(key.SecurityToken),
		"expiration":        key.Expiration.Format(time.RFC3339),
		"keyring":           keyring,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return string(content)
}

// revealed are Credentials that a comparison shows whole.
type revealed struct {
	ID, Secret, Token, Source string
	Expiration                time.Time
}

func revealKey(c Credentials) revealed {
	return revealed{c.AccessKeyID, c.AccessKeySecret, c.SecurityToken, c.Source, c.Expiration.UTC()}
}

// reveal makes a document comparable.
func reveal(d document) any {
	return struct {
		Key       revealed
		NodeRole  string
		OIDC      bool
		Assume    [3]string
		Profile   string
		Variables map[string]string
	}{
		revealKey(d.key), d.nodeRole, d.oidc,
		[3]string{d.assume.roleARN, d.assume.sessionName, d.assume.externalID},
		d.profile, d.variables,
	}
}

// checkError fails unless err contains want, or is nil where want is empty; and
// where the error shows a secret.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want one that contains %q", err, want)
	}
	if err != nil && (strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), testToken)) {
		t.Errorf("the error shows a secret: %v", err)
	}
}
