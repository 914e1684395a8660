// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

var _ velero.ObjectStore = (*Store)(nil)

func TestObjectsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	sizes := []struct {
		name string
		size int
	}{
		{"an empty object", 0},
		{"a single byte", 1},
		{"a small object", 2 << 10},
		{"one byte less than a part", smallParts - 1},
		{"exactly a part", smallParts},
		{"one byte more than a part", smallParts + 1},
		{"some parts and a rest", 7*smallParts + 12345},
		{"a chunk of a download", chunkSize},
		{"some chunks and a rest", 3*chunkSize + 17},
	}
	for _, tt := range sizes {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key := fmt.Sprintf("velero/backups/b/%d", tt.size)
			want := content(tt.size)
			must(t, f.PutObject(bucketName, key, stream(want)))
			got, err := f.download(key)
			must(t, err)
			if !bytes.Equal(want, got) {
				t.Errorf("%d bytes went in, %d other ones came out", len(want), len(got))
			}
			exists, err := f.ObjectExists(bucketName, key)
			must(t, err)
			if !exists {
				t.Error("the object is said not to exist")
			}
		})
	}
}

func TestPutObjectReplacesAnObject(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	for _, size := range []int{3 * smallParts, 10, 2*smallParts + 1} {
		must(t, f.PutObject(bucketName, "velero/backups/b/x", stream(content(size))))
		got, err := f.download("velero/backups/b/x")
		must(t, err)
		if !bytes.Equal(content(size), got) {
			t.Errorf("the object of %d bytes came back as one of %d", size, len(got))
		}
	}
}

func TestPutObjectReadsLittleAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	largest := 0
	source := bytes.NewReader(content(5 * smallParts))
	body := readerFunc(func(p []byte) (int, error) {
		largest = max(largest, len(p))
		return source.Read(p)
	})
	must(t, f.PutObject(bucketName, "velero/backups/b/x", body))
	if largest > 32<<10 {
		t.Errorf("asked the body for %d bytes at once: Velero's stream would hold them twice", largest)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestPutObjectOfABodyThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("velero went away")
	for _, tt := range []struct {
		name string
		size int
	}{
		{"before the first byte", 0},
		{"within the first part", 1000},
		{"at the end of the first part", smallParts},
		{"after some parts", 5*smallParts + 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			err := f.PutObject(bucketName, "velero/backups/b/x", io.MultiReader(stream(content(tt.size)), iotest.ErrReader(broken)))
			wantError(t, err, "upload backup files to OSS bucket failed", "velero went away", `object "velero/backups/b/x"`)
			if !errors.Is(err, broken) {
				t.Error("the cause is lost")
			}
			if diff := cmp.Diff([]string{}, f.keys()); diff != "" {
				t.Errorf("an object is there (-want +got):\n%s", diff)
			}
			if uploads := f.oss.Uploads(bucketName); len(uploads) > 0 {
				t.Errorf("an upload was left: %+v", uploads)
			}
		})
	}
}

func TestASmallObjectCostsOneRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	for _, size := range []int{2 << 10, smallParts} {
		f.journal.Reset()
		must(t, f.PutObject(bucketName, "velero/backups/b/x", stream(content(size))))
		if diff := cmp.Diff([]string{"PutObject"}, f.operations()); diff != "" {
			t.Errorf("storing %d bytes (-want +got):\n%s", size, diff)
		}
	}
	f.journal.Reset()
	_, err := f.download("velero/backups/b/x")
	must(t, err)
	if diff := cmp.Diff([]string{"GetObject"}, f.operations()); diff != "" {
		t.Errorf("reading it (-want +got):\n%s", diff)
	}
}

// operations are the operations that the simulated OSS was asked for, in order.
func (f *fixture) operations() []string {
	operations := []string{}
	for _, entry := range f.journal.Entries() {
		operations = append(operations, entry.Operation)
	}
	return operations
}

func TestListing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	want := []string{}
	for i := range 10_000 {
		key := fmt.Sprintf("velero/backups/b/%05d", i)
		want = append(want, key)
		must(t, f.oss.Put(bucketName, key, nil))
	}
	got, err := f.ListObjects(bucketName, "velero/backups/b/")
	must(t, err)
	if !slices.Equal(want, got) {
		t.Errorf("listed %d keys, want %d", len(got), len(want))
	}
	if n := len(f.journal.Entries()); n != 10 {
		t.Errorf("listing 10,000 keys took %d requests, want 10", n)
	}
}

func TestListingKeysOfAnyBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	odd := []string{"a b", "a+b", "a%2Fb", "a&b<c>\"d\"", "备份", "tab\there", "q?x=y#z", "emoji-😀", "new\nline", "\x01control"}
	for _, name := range odd {
		key := "velero/backups/" + name + "/velero-backup.json"
		must(t, f.PutObject(bucketName, key, stream([]byte(name))))
		got, err := f.download(key)
		must(t, err)
		if string(got) != name {
			t.Errorf("the object %q came back as %q", key, got)
		}
	}
	keys, err := f.ListObjects(bucketName, "velero/")
	must(t, err)
	prefixes, err := f.ListCommonPrefixes(bucketName, "velero/backups/", "/")
	must(t, err)
	wantKeys, wantPrefixes := []string{}, []string{}
	slices.Sort(odd)
	for _, name := range odd {
		wantKeys = append(wantKeys, "velero/backups/"+name+"/velero-backup.json")
		wantPrefixes = append(wantPrefixes, "velero/backups/"+name+"/")
	}
	slices.Sort(keys)
	slices.Sort(prefixes)
	if diff := cmp.Diff(wantKeys, keys); diff != "" {
		t.Errorf("keys differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantPrefixes, prefixes); diff != "" {
		t.Errorf("prefixes differ (-want +got):\n%s", diff)
	}
	for _, key := range wantKeys {
		must(t, f.DeleteObject(bucketName, key))
	}
	if left := f.keys(); len(left) > 0 {
		t.Errorf("left after deletion: %q", left)
	}
}

func TestMissingObjects(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	exists, err := f.ObjectExists(bucketName, "velero/backups/none/velero-backup.json")
	if exists || err != nil {
		t.Errorf("ObjectExists = %v, %v, want false without an error", exists, err)
	}
	_, err = f.GetObject(bucketName, "velero/backups/none/none.tar.gz")
	wantError(t, err, "download backup files from OSS bucket failed", "NoSuchKey", "none.tar.gz")
	if err := f.DeleteObject(bucketName, "velero/backups/none/none.tar.gz"); err != nil {
		t.Errorf("deleting a missing object: %v", err)
	}
}

func TestCreateSignedURL(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	must(t, f.PutObject(bucketName, "velero/backups/b/b.tar.gz", stream([]byte("content"))))
	signed, err := f.CreateSignedURL(bucketName, "velero/backups/b/b.tar.gz", 10*time.Minute)
	must(t, err)
	if status, body := request(t, http.MethodGet, signed); status != http.StatusOK || body != "content" {
		t.Errorf("GET answers %d %q", status, body)
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		if status, _ := request(t, method, signed); status != http.StatusForbidden {
			t.Errorf("%s with a URL that is for reading answers %d, want 403", method, status)
		}
	}
	if !strings.Contains(signed, "x-oss-signature-version=OSS4-HMAC-SHA256") {
		t.Errorf("the URL is not signed by version 4: %s", signed)
	}
	for _, ttl := range []time.Duration{0, -time.Second, 7*24*time.Hour + time.Second} {
		_, err := f.CreateSignedURL(bucketName, "velero/backups/b/b.tar.gz", ttl)
		wantError(t, err, "at most seven days")
	}
}

func request(t *testing.T, method, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(content)
}

func TestSignedURLsAreForThePublicEndpoint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config map[string]string
		want   string
	}{
		{"of the region where the network is internal", map[string]string{"endpoint": "", "network": "internal"}, "https://cnfs-oss-backup.oss-cn-hangzhou.aliyuncs.com/"},
		{"of the region where the endpoint is internal", map[string]string{"endpoint": "oss-cn-hangzhou-internal.aliyuncs.com"}, "https://cnfs-oss-backup.oss-cn-hangzhou.aliyuncs.com/"},
		{"that is accelerated", map[string]string{"endpoint": "", "network": "accelerate"}, "https://cnfs-oss-backup.oss-accelerate.aliyuncs.com/"},
		{"that the location names", map[string]string{"publicEndpoint": "backups.example.com"}, "https://cnfs-oss-backup.backups.example.com/"},
		{"of a region that the endpoint names", map[string]string{"region": "", "endpoint": "oss-cn-beijing-internal.aliyuncs.com"}, "https://cnfs-oss-backup.oss-cn-beijing.aliyuncs.com/"},
		{"in path style where the location says so", map[string]string{"publicEndpoint": "backups.example.com", "addressingStyle": "path"}, "https://backups.example.com/cnfs-oss-backup/"},
		{
			"of a domain that is bound to the bucket",
			map[string]string{"endpoint": "", "network": "internal", "publicEndpoint": "backups.example.com", "publicAddressingStyle": "cname"},
			"https://backups.example.com/velero/k?",
		},
		{
			"of the same domain as the endpoint's",
			map[string]string{"endpoint": "backups.example.com", "addressingStyle": "cname"},
			"https://backups.example.com/velero/k?",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{config: tt.config})
			signed, err := f.CreateSignedURL(bucketName, "velero/k", time.Minute)
			must(t, err)
			if !strings.HasPrefix(signed, tt.want) {
				t.Errorf("got %s, want %s…", signed, tt.want)
			}
		})
	}
}

func TestADomainThatIsBoundToTheBucket(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{bucket: func(c *oss.BucketConfig) { c.Domain = "localhost" }})
	domain := strings.Replace(f.url, "127.0.0.1", "localhost", 1)
	must(t, f.Init(f.config(map[string]string{"endpoint": domain, "addressingStyle": "cname"})))

	const small, large = "velero/backups/b/velero-backup.json", "velero/backups/b/b.tar.gz"
	must(t, f.PutObject(bucketName, small, stream([]byte("{}"))))
	must(t, f.PutObject(bucketName, large, stream(content(3*smallParts))))
	keys, err := f.ListObjects(bucketName, "velero/")
	must(t, err)
	if diff := cmp.Diff([]string{large, small}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	signed, err := f.CreateSignedURL(bucketName, small, time.Minute)
	must(t, err)
	if status, body := request(t, http.MethodGet, signed); status != http.StatusOK || body != "{}" || !strings.HasPrefix(signed, domain+"/velero/") {
		t.Errorf("GET %s answers %d %q", signed, status, body)
	}
	for _, key := range keys {
		must(t, f.DeleteObject(bucketName, key))
	}
	if left := f.oss.Objects(bucketName); len(left) > 0 {
		t.Errorf("left after deletion: %+v", left)
	}
}

func TestAttributesOfObjects(t *testing.T) {
	t.Parallel()
	const kms = "a1b2c3"
	allowKMS := `{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:*","kms:*"],"Resource":"*"}]}`
	type attributes struct {
		Class      string
		Encryption oss.Encryption
		Tags       []oss.Tag
	}
	tests := []struct {
		name   string
		config map[string]string
		env    map[string]string
		want   attributes
	}{
		{name: "Standard unless the location says otherwise", want: attributes{Class: "Standard"}},
		{name: "infrequent access", config: map[string]string{"storageClass": "IA"}, want: attributes{Class: "IA"}},
		{name: "encrypted by OSS", config: map[string]string{"serverSideEncryption": "AES256"}, want: attributes{Class: "Standard", Encryption: oss.Encryption{Algorithm: "AES256"}}},
		{name: "encrypted by SM4", config: map[string]string{"serverSideEncryption": "SM4"}, want: attributes{Class: "Standard", Encryption: oss.Encryption{Algorithm: "SM4"}}},
		{
			name:   "encrypted by a key in KMS",
			config: map[string]string{"serverSideEncryption": "KMS", "kmsKeyId": kms},
			want:   attributes{Class: "Standard", Encryption: oss.Encryption{Algorithm: "KMS", KMSKeyID: kms}},
		},
		{
			name: "encrypted by the key of the official plugin's variable",
			env:  map[string]string{"ALIBABA_CLOUD_ENCRYPTION_KEY_ID": kms},
			want: attributes{Class: "Standard", Encryption: oss.Encryption{Algorithm: "KMS", KMSKeyID: kms}},
		},
		{
			name:   "tagged",
			config: map[string]string{"tagging": "team=storage"},
			want:   attributes{Class: "Standard", Tags: []oss.Tag{{Key: "team", Value: "storage"}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{config: tt.config, env: tt.env, policy: allowKMS})
			for name, size := range map[string]int{"one request": 10, "parts": 3 * smallParts} {
				must(t, f.PutObject(bucketName, "velero/backups/b/"+name, stream(content(size))))
			}
			for _, object := range f.oss.Objects(bucketName) {
				got := attributes{Class: object.StorageClass, Encryption: object.Encryption, Tags: object.Tags}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s differs (-want +got):\n%s", object.Key, diff)
				}
			}
			if n := len(f.keys()); n != 2 {
				t.Errorf("%d objects are there, want 2", n)
			}
		})
	}
}

func TestInitServesLocationsInTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	must(t, f.oss.CreateBucket(oss.BucketConfig{Name: "other", Region: region, Owner: strangerID}))
	must(t, f.accounts.CreateKey("acs:ram::"+strangerID+":root", "LTAIother", "other-secret"))
	other := *f
	other.credentials += "-other"
	other.writeKey(t, "LTAIother", "other-secret")

	for range 3 {
		must(t, f.Init(f.config(nil)))
		must(t, f.PutObject(bucketName, "velero/backups/mine/x", stream([]byte("mine"))))
		// A download that has begun keeps the location that it began with.
		begun, err := f.GetObject(bucketName, "velero/backups/mine/x")
		must(t, err)
		must(t, f.Init(other.config(map[string]string{"bucket": "other"})))
		must(t, f.PutObject("other", "velero/backups/theirs/x", stream([]byte("theirs"))))
		mine, err := io.ReadAll(begun)
		must(t, err)
		must(t, begun.Close())
		if string(mine) != "mine" {
			t.Errorf("read %q", mine)
		}
		if _, err := f.ListObjects(bucketName, "velero/"); err == nil {
			t.Error("the credentials of one location opened the other's bucket")
		}
	}
}

func TestCallsBeforeInitAreErrors(t *testing.T) {
	t.Parallel()
	store, _ := newStore(nil)
	_, err := store.ObjectExists(bucketName, "x")
	wantError(t, err, "not initialised")
	wantError(t, store.PutObject(bucketName, "x", stream(nil)), "not initialised")
	_, err = store.GetObject(bucketName, "x")
	wantError(t, err, "not initialised")
	_, err = store.ListObjects(bucketName, "x")
	wantError(t, err, "not initialised")
	_, err = store.ListCommonPrefixes(bucketName, "x", "/")
	wantError(t, err, "not initialised")
	_, err = store.CreateSignedURL(bucketName, "x", time.Minute)
	wantError(t, err, "not initialised")
	wantError(t, store.DeleteObject(bucketName, "x"), "not initialised")
}

func TestAFailedInitLeavesNoLocation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	if err := f.Init(f.config(map[string]string{"network": "x"})); err == nil {
		t.Fatal("the malformed config was accepted")
	}
	wantError(t, f.PutObject(bucketName, "velero/backups/b/x", stream(nil)), "not initialised")
}

func TestABodyThatBringsNothingIsAnError(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fixtureOptions{})
	idle := readerFunc(func([]byte) (int, error) { return 0, nil })
	if err := f.PutObject(bucketName, "velero/backups/b/x", idle); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

func TestInitWarnsOnceOfWhatIsUnsafe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config map[string]string
		want   []string
	}{
		{"nothing of what is safe", map[string]string{}, nil},
		{"plain http to another machine", map[string]string{"endpoint": "http://192.0.2.1"}, []string{"The endpoint is plain http: backups and their Secrets travel unencrypted"}},
		{"certificates that are not verified", map[string]string{"insecureSkipTLSVerify": "true"}, []string{"insecureSkipTLSVerify is set: the certificate of the OSS endpoint is not verified"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{config: tt.config})
			must(t, f.Init(f.config(tt.config)))
			var got []string
			for _, entry := range f.log.AllEntries() {
				got = append(got, entry.Message)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("warnings differ (-want +got):\n%s", diff)
			}
		})
	}
}
