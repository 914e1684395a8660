// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
)

// secrets are what must appear in no log. It is safe for concurrent use.
type secrets struct {
	mu     sync.Mutex
	values []string
}

// keep remembers a secret, and returns it.
func (s *secrets) keep(value string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = append(s.values, value)
	return value
}

// redacted is what the plugin writes in place of a secret.
const redacted = "[redacted]"

// signatures stand before what makes a signed URL or an Authorization header valid, in all versions of OSS's signatures.
func signatures() []string {
	return []string{
		"x-oss-signature=", "&Signature=", "?Signature=", "OSS4-HMAC-SHA256 Credential=", "Authorization: OSS", "security-token=",
	}
}

// in returns an error that says where in a text a secret or a signature is. It does not quote it.
func (s *secrets) in(name, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, value := range s.values {
		if at := strings.Index(text, value); at >= 0 {
			return fmt.Errorf("%s holds secret %d of the test behind %q", name, i, text[max(0, at-200):at])
		}
	}
	for _, mark := range signatures() {
		text := strings.ReplaceAll(text, mark+redacted, "")
		if at := strings.Index(text, mark); at >= 0 {
			return fmt.Errorf("%s holds a signature behind %q", name, text[max(0, at-200):at])
		}
	}
	return nil
}

// testNoSecretInAnyLog looks through everything that the other tests have made the plugin and Velero write.
func (s *suite) testNoSecretInAnyLog(t *testing.T) {
	if len(s.secrets.values) == 0 {
		t.Fatal("the tests have used no secret, so there is nothing to look for")
	}
	log, err := s.velero.Logs()
	must(t, err)
	texts := map[string]string{"the server's log": log, "the CLI's output": s.said.String(), "a status": s.statuses(t)}
	for key, text := range s.logsInBuckets(t, s.buckets.all()...) {
		texts[key] = text
	}
	for name, text := range texts {
		if text == "" {
			t.Errorf("%s is empty, so there is nothing to look into", name)
		}
		if err := s.secrets.in(name, text); err != nil {
			t.Error(err)
		}
	}
}

// statuses returns the statuses of what Velero keeps in the cluster.
func (s *suite) statuses(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	var locations velerov1.BackupStorageLocationList
	var backups velerov1.BackupList
	var restores velerov1.RestoreList
	must(t, s.cp.Client.List(t.Context(), &locations))
	must(t, s.cp.Client.List(t.Context(), &backups))
	must(t, s.cp.Client.List(t.Context(), &restores))
	for _, location := range locations.Items {
		fmt.Fprintf(&text, "%+v\n", location.Status)
	}
	for _, backup := range backups.Items {
		fmt.Fprintf(&text, "%+v\n", backup.Status)
	}
	for _, restore := range restores.Items {
		fmt.Fprintf(&text, "%+v\n", restore.Status)
	}
	return text.String()
}

// logsInBuckets returns the logs of backups and restores that are in the buckets.
func (s *suite) logsInBuckets(t *testing.T, buckets ...string) map[string]string {
	t.Helper()
	logs := map[string]string{}
	for _, bucket := range buckets {
		for _, object := range s.cloud.OSS().Objects(bucket) {
			if !strings.HasSuffix(object.Key, "-logs.gz") {
				continue
			}
			content, err := s.cloud.OSS().Read(bucket, object.Key)
			must(t, err)
			logs[bucket+"/"+object.Key] = string(gunzip(t, content))
		}
	}
	return logs
}

func gunzip(t *testing.T, content []byte) []byte {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(content))
	must(t, err)
	text, err := io.ReadAll(reader)
	must(t, err)
	return text
}
