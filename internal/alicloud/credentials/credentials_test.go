// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

func TestCredentialsDoNotShowTheirSecrets(t *testing.T) {
	t.Parallel()
	key := temporary
	key.Source = "credentials file /credentials/cloud"
	key.Expiration = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	const described = "access key STS.****ry01 (until 2026-03-01T12:00:00Z) from credentials file /credentials/cloud"
	printed := map[string]string{}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		printed[format] = fmt.Sprintf(format, key)
	}
	for format, text := range printed {
		if text != described {
			t.Errorf("%s prints %s, want %s", format, text, described)
		}
	}

	encoded, err := json.Marshal(map[string]any{"credentials": key, "pointer": &key})
	if err != nil {
		t.Fatal(err)
	}
	const one = `{"accessKeyId":"STS.****ry01","expiration":"2026-03-01T12:00:00Z","source":"credentials file /credentials/cloud"}`
	if want := `{"credentials":` + one + `,"pointer":` + one + `}`; string(encoded) != want {
		t.Errorf("JSON %s, want %s", encoded, want)
	}

	var logged bytes.Buffer
	log := logrus.New()
	log.SetOutput(&logged)
	for _, formatter := range []logrus.Formatter{&logrus.TextFormatter{}, &logrus.JSONFormatter{}} {
		log.SetFormatter(formatter)
		log.WithField("credentials", key).WithField("nested", struct{ Key Credentials }{key}).Info("Fetched")
	}
	if text := logged.String(); strings.Contains(text, testSecret) || strings.Contains(text, testToken) {
		t.Errorf("the log shows a secret: %s", text)
	}
}

func TestPermanentCredentialsSaySo(t *testing.T) {
	t.Parallel()
	key := Credentials{AccessKeyID: "short", Source: "here"}
	if got, want := key.String(), "access key **** (permanent) from here"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
