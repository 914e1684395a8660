// SPDX-License-Identifier: Apache-2.0

package hbr_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

const (
	owner      = "1000000000000001"
	stranger   = "1000000000000002"
	hangzhou   = "cn-hangzhou"
	beijing    = "cn-beijing"
	fileSystem = "0a1b2c3d4e"
	bucket     = "shop-data"
	vaultID    = "v-000shop"
	clusterID  = "cc-000shop"
	node       = "node-1"
)

func ownerKey() cloudsim.AccessKey {
	return cloudsim.AccessKey{ID: "LTAIowner", Secret: "owner-secret"}
}

func strangerKey() cloudsim.AccessKey {
	return cloudsim.AccessKey{ID: "LTAIstranger", Secret: "stranger-secret"}
}

func limitedKey() cloudsim.AccessKey {
	return cloudsim.AccessKey{ID: "LTAIlimited", Secret: "limited-secret"}
}

// config is a cloud with a vault, a file system, a bucket and a container cluster without agents. States take no time
// unless a test says so.
func config() cloudsim.Config {
	own, other, limited := ownerKey(), strangerKey(), limitedKey()
	return cloudsim.Config{
		Accounts: []cloudsim.Account{
			{ID: owner, OwnerKey: &own, Users: []cloudsim.User{{
				Name: "limited", Keys: []cloudsim.AccessKey{limited}, Policies: []account.Policy{policy()},
			}}},
			{ID: stranger, OwnerKey: &other},
		},
		Buckets: []oss.BucketConfig{{Name: bucket, Region: hangzhou, Owner: owner}},
		NAS: nas.Config{FileSystems: []nas.FileSystemConfig{
			{
				ID: fileSystem, Account: owner, Region: hangzhou, Age: metav1.Duration{Duration: 24 * time.Hour},
				Files: map[string]string{"shop/orders.csv": "tea", "shop/archive/2024.csv": "coffee", "other/x": "x"},
			},
			{ID: "beijing", Account: owner, Region: beijing},
			{ID: "foreign", Account: stranger, Region: hangzhou},
		}},
		HBR: hbr.Config{
			Vaults: []hbr.VaultConfig{{ID: vaultID, Name: "shop", Account: owner, Region: hangzhou}},
			Clusters: []hbr.ClusterConfig{{
				ID: clusterID, Account: owner, Region: hangzhou, Identifier: "c-ack", Token: "token-1",
			}},
		},
	}
}

// policy allows a user to look, and to do some things only in vaults that it names, which Cloud Backup does not have.
func policy() account.Policy {
	p, err := account.ParsePolicy([]byte(`{"Version": "1", "Statement": [
		{"Effect": "Allow", "Action": ["hbr:Describe*", "hbr:CreateVault"], "Resource": "*"},
		{"Effect": "Allow", "Action": "hbr:CreateBackupPlan", "Resource": "acs:hbr:*:*:vault/v-000shop"}]}`))
	if err != nil {
		panic(err) // the policy is a constant
	}
	return p
}

// taking makes vaults and jobs take time.
func taking(c *cloudsim.Config) {
	c.HBR.Durations = hbr.Durations{
		Vault:   metav1.Duration{Duration: 10 * time.Second},
		Backup:  metav1.Duration{Duration: time.Minute},
		Restore: metav1.Duration{Duration: time.Minute},
		Cancel:  metav1.Duration{Duration: 5 * time.Second},
	}
}

// start starts a cloud whose time does not pass by itself.
func start(t *testing.T, changes ...func(*cloudsim.Config)) *cloudsim.Cloud {
	t.Helper()
	c := config()
	for _, change := range changes {
		change(&c)
	}
	now := time.Now().Truncate(time.Minute)
	cloud, err := cloudsim.Start(c, cloudsim.WithStateDir(t.TempDir()), cloudsim.WithClock(func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Errorf("close the cloud: %v", err)
		}
	})
	return cloud
}

// transmitter sends the requests of the SDK, whose own HTTP client may not be used by two goroutines at once.
type transmitter struct{}

// Call implements dara.HttpClient.
func (transmitter) Call(request *http.Request, transport *http.Transport) (*http.Response, error) {
	transport.DisableKeepAlives = true
	return (&http.Client{Transport: transport}).Do(request)
}

func clientConfig(c *cloudsim.Cloud, k cloudsim.AccessKey) *openapiutil.Config {
	return &openapiutil.Config{
		Endpoint: dara.String(strings.TrimPrefix(c.RPCURL(), "http://")), Protocol: dara.String("HTTP"),
		RegionId: dara.String(hangzhou), AccessKeyId: dara.String(k.ID), AccessKeySecret: dara.String(k.Secret),
		HttpClient: transmitter{},
	}
}

// client returns the official SDK's client of the account's owner.
func client(t *testing.T, c *cloudsim.Cloud) *sdk.Client {
	t.Helper()
	made, err := sdk.NewClient(clientConfig(c, ownerKey()))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// params are the parameters of a call.
type params map[string]string

// refusal is an error answer.
type refusal struct {
	Status int
	Code   string
}

// call calls an action with nothing but what is given.
func call(t *testing.T, c *cloudsim.Cloud, k cloudsim.AccessKey, action string, p params) (map[string]any, *refusal) {
	t.Helper()
	generic, err := openapi.NewClient(clientConfig(c, k))
	if err != nil {
		t.Fatal(err)
	}
	query := map[string]*string{}
	for name, value := range p {
		query[name] = dara.String(value)
	}
	result, err := generic.CallApi(&openapiutil.Params{
		Action: dara.String(action), Version: dara.String("2017-09-08"), Protocol: dara.String("HTTP"),
		Pathname: dara.String("/"), Method: dara.String(http.MethodPost), AuthType: dara.String("AK"),
		Style: dara.String("RPC"), ReqBodyType: dara.String("formData"), BodyType: dara.String("json"),
	}, &openapiutil.OpenApiRequest{Query: query}, &dara.RuntimeOptions{})
	if err != nil {
		return nil, refused(t, err)
	}
	body, _ := result["body"].(map[string]any)
	return body, nil
}

// refused returns what a client was told.
func refused(t *testing.T, err error) *refusal {
	t.Helper()
	var failure *tea.SDKError
	if !errors.As(err, &failure) {
		t.Fatalf("not an answer of the service: %v", err)
	}
	return &refusal{dara.IntValue(failure.StatusCode), dara.StringValue(failure.Code)}
}

// must calls an action that must succeed and returns a member of its answer.
func must(t *testing.T, c *cloudsim.Cloud, action string, p params, member string) string {
	t.Helper()
	body, failure := call(t, c, ownerKey(), action, p)
	if failure != nil {
		t.Fatalf("%s %v: %v", action, p, *failure)
	}
	value, _ := body[member].(string)
	return value
}

// fail adds a fault rule.
func fail(t *testing.T, c *cloudsim.Cloud, rule fault.Rule) {
	t.Helper()
	if _, err := c.Faults().Add(rule); err != nil {
		t.Fatal(err)
	}
}

// content describes a tree: a line for each entry, with mode and bytes or target.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text := info.Mode().String()
		switch {
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + target
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += " " + string(data)
		}
		all[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
