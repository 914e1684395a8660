// SPDX-License-Identifier: Apache-2.0

package oss_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/retry"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/signer"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/front"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

const (
	ownerID   = "1000000000000001"
	otherID   = "1000000000000002"
	region    = "cn-hangzhou"
	bucket    = "backups"
	rootKey   = "LTAIroot"
	rootWord  = "root-secret"
	userKey   = "LTAIuser"
	userWord  = "user-secret"
	otherKey  = "LTAIother"
	otherWord = "other-secret"
)

// cloud is a service behind a front and a listener on 127.0.0.1.
type cloud struct {
	service  *oss.Service
	accounts *account.Registry
	journal  *journal.Journal
	faults   *fault.Injector
	url      string
}

// newCloud starts a service with an account that owns a bucket, a RAM user of it without permissions, and another
// account. The function edits the configuration first.
func newCloud(t *testing.T, edit func(*oss.Config)) *cloud {
	t.Helper()
	return newCloudAt(t, time.Now, edit)
}

func newCloudAt(t *testing.T, now func() time.Time, edit func(*oss.Config)) *cloud {
	t.Helper()
	c := &cloud{accounts: account.New(now), journal: journal.New(), faults: fault.NewInjector(1)}
	must(t, c.accounts.AddAccount(ownerID))
	must(t, c.accounts.AddAccount(otherID))
	must(t, c.accounts.AddUser(ownerID, "velero"))
	must(t, c.accounts.CreateKey(account.RootARN(ownerID), rootKey, rootWord))
	must(t, c.accounts.CreateKey(account.RootARN(otherID), otherKey, otherWord))
	must(t, c.accounts.CreateKey(account.UserARN(ownerID, "velero"), userKey, userWord))
	config := oss.Config{
		StateDir: t.TempDir(),
		Buckets:  []oss.BucketConfig{{Name: bucket, Region: region, Owner: ownerID}},
	}
	if edit != nil {
		edit(&config)
	}
	var err error
	c.service, err = oss.New(config, c.accounts, now)
	must(t, err)
	server := httptest.NewServer(front.New(c.service, c.journal, c.faults, now))
	t.Cleanup(func() {
		server.Close()
		must(t, c.service.Close())
	})
	c.url = server.URL
	return c
}

// grant replaces the policies of the RAM user.
func (c *cloud) grant(t *testing.T, policy string) {
	t.Helper()
	p, err := account.ParsePolicy([]byte(policy))
	must(t, err)
	must(t, c.accounts.SetPolicy(account.UserARN(ownerID, "velero"), p))
}

func (c *cloud) inject(t *testing.T, rule fault.Rule) {
	t.Helper()
	_, err := c.faults.Add(rule)
	must(t, err)
}

// client returns a client of the official SDK, with path-style addresses and without retries.
func (c *cloud) client(id, secret string, edit ...func(*sdk.Config)) *sdk.Client {
	cfg := sdk.LoadDefaultConfig().
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(id, secret)).
		WithRegion(region).WithEndpoint(c.url).WithUsePathStyle(true).
		WithRetryer(retry.NopRetryer{})
	for _, e := range edit {
		e(cfg)
	}
	return sdk.NewClient(cfg)
}

func (c *cloud) root(edit ...func(*sdk.Config)) *sdk.Client {
	return c.client(rootKey, rootWord, edit...)
}

func v1(cfg *sdk.Config) { cfg.WithSignatureVersion(sdk.SignatureVersionV1) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refusal is what a test expects of an error answer.
type refusal struct {
	Status  int
	Code    string
	Message string
	EC      string
}

// refusalOf returns what the service answered, the zero refusal for success.
func refusalOf(t *testing.T, err error) refusal {
	t.Helper()
	if err == nil {
		return refusal{}
	}
	var e *sdk.ServiceError
	if !asServiceError(err, &e) {
		t.Fatalf("the error is not the service's: %v", err)
	}
	return refusal{Status: e.StatusCode, Code: e.Code, Message: e.Message, EC: e.EC}
}

func asServiceError(err error, e **sdk.ServiceError) bool { return errors.As(err, e) }

// reply is the answer to a raw request.
type reply struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, r *http.Request) reply {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return reply{resp.StatusCode, resp.Header, string(body)}
}

func request(ctx context.Context, t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	must(t, err)
	return r
}

func withNobody(cfg *sdk.Config) {
	cfg.WithCredentialsProvider(credentials.NewAnonymousCredentialsProvider())
}

// subresource makes V1 sign a parameter that the SDK does not know.
func subresource(names ...string) sdk.OperationMetadata {
	var m sdk.OperationMetadata
	m.Set(signer.SubResource, names)
	return m
}
