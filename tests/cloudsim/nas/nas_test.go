// SPDX-License-Identifier: Apache-2.0

package nas_test

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
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
)

const (
	owner    = "1000000000000001"
	stranger = "1000000000000002"
	hangzhou = "cn-hangzhou"
	shop     = "0a1b2c3d4e"
)

func ownerKey() cloudsim.AccessKey {
	return cloudsim.AccessKey{ID: "LTAIowner", Secret: "owner-secret"}
}

func limitedKey() cloudsim.AccessKey {
	return cloudsim.AccessKey{ID: "LTAIlimited", Secret: "limited-secret"}
}

// start starts a cloud with file systems that were created on the last day of a year, as seen from UTC.
func start(t *testing.T, changes ...func(*cloudsim.Config)) *cloudsim.Cloud {
	t.Helper()
	policy, err := account.ParsePolicy([]byte(`{"Version": "1", "Statement": [{"Effect": "Allow",
		"Action": "nas:DescribeFileSystems", "Resource": "acs:nas:cn-hangzhou:*:filesystem/` + shop + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	age := metav1.Duration{Duration: now.Sub(time.Date(2023, 12, 31, 20, 30, 5, 0, time.UTC))}
	own := ownerKey()
	c := cloudsim.Config{
		Accounts: []cloudsim.Account{
			{ID: owner, OwnerKey: &own, Users: []cloudsim.User{{
				Name: "limited", Keys: []cloudsim.AccessKey{limitedKey()}, Policies: []account.Policy{policy},
			}}},
			{ID: stranger},
		},
		NAS: nas.Config{FileSystems: []nas.FileSystemConfig{
			{ID: shop, Account: owner, Region: hangzhou, Age: age, Files: map[string]string{"orders/1.csv": "tea"}},
			{ID: "extreme-1", Account: owner, Region: hangzhou, Type: nas.TypeExtreme, Age: age},
			{ID: "foreign", Account: stranger, Region: hangzhou},
			{ID: "beijing", Account: owner, Region: "cn-beijing"},
		}},
	}
	for _, change := range changes {
		change(&c)
	}
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

type params map[string]string

// refusal is an error answer.
type refusal struct {
	Status int
	Code   string
}

func call(t *testing.T, c *cloudsim.Cloud, k cloudsim.AccessKey, action string, p params) (map[string]any, *refusal) {
	t.Helper()
	generic, err := openapi.NewClient(&openapiutil.Config{
		Endpoint: dara.String(strings.TrimPrefix(c.RPCURL(), "http://")), Protocol: dara.String("HTTP"),
		RegionId: dara.String(hangzhou), AccessKeyId: dara.String(k.ID), AccessKeySecret: dara.String(k.Secret),
		HttpClient: transmitter{},
	})
	if err != nil {
		t.Fatal(err)
	}
	query := map[string]*string{}
	for name, value := range p {
		query[name] = dara.String(value)
	}
	result, err := generic.CallApi(&openapiutil.Params{
		Action: dara.String(action), Version: dara.String("2017-06-26"), Protocol: dara.String("HTTP"),
		Pathname: dara.String("/"), Method: dara.String(http.MethodPost), AuthType: dara.String("AK"),
		Style: dara.String("RPC"), ReqBodyType: dara.String("formData"), BodyType: dara.String("json"),
	}, &openapiutil.OpenApiRequest{Query: query}, &dara.RuntimeOptions{})
	var failure *tea.SDKError
	switch {
	case errors.As(err, &failure):
		return nil, &refusal{dara.IntValue(failure.StatusCode), dara.StringValue(failure.Code)}
	case err != nil:
		t.Fatal(err)
	}
	body, _ := result["body"].(map[string]any)
	return body, nil
}

// member follows names into an answer. An item of a list is the first.
func member(value any, names ...string) any {
	for _, name := range names {
		if list, ok := value.([]any); ok && len(list) > 0 {
			value = list[0]
		}
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func TestDescribeFileSystems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		form nas.TimeForm
		want string
	}{
		"the time is that of UTC":       {"", "2023-12-31T20:30:05Z"},
		"the time can be that of China": {nas.FormCST, "2024-01-01T04:30:05CST"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, func(c *cloudsim.Config) { c.NAS.TimeForm = tt.form })
			body, failure := call(t, c, ownerKey(), "DescribeFileSystems", params{"FileSystemId": shop})
			if failure != nil {
				t.Fatalf("refused: %v", *failure)
			}
			got := []any{
				member(body, "FileSystems", "FileSystem", "FileSystemId"), member(body, "FileSystems", "FileSystem", "CreateTime"),
				member(body, "FileSystems", "FileSystem", "MountTargets", "MountTarget", "MountTargetDomain"),
			}
			want := []any{shop, tt.want, shop + "-abc12.cn-hangzhou.nas.aliyuncs.com"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the file system (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	c := start(t)
	dir := params{
		"FileSystemId": shop, "RootDirectory": "/orders/new", "OwnerUserId": "0", "OwnerGroupId": "0", "Permission": "0750",
	}
	with := func(p params, name, value string) params {
		all := params{name: value}
		for n, v := range p {
			if n != name {
				all[n] = v
			}
		}
		return all
	}
	notFound := &refusal{404, "InvalidFileSystem.NotFound"}
	badPath := &refusal{400, "InvalidPath"}
	tests := map[string]struct {
		action string
		params params
		want   *refusal
	}{
		"all file systems":                      {"DescribeFileSystems", params{}, nil},
		"a file system that there is not":       {"DescribeFileSystems", params{"FileSystemId": "none"}, notFound},
		"a file system of another account":      {"DescribeFileSystems", params{"FileSystemId": "foreign"}, notFound},
		"a file system of another region":       {"DescribeFileSystems", params{"FileSystemId": "beijing"}, notFound},
		"too many file systems on a page":       {"DescribeFileSystems", params{"PageSize": "101"}, &refusal{400, "InvalidPageSize"}},
		"mount targets":                         {"DescribeMountTargets", params{"FileSystemId": shop}, nil},
		"mount targets of no file system":       {"DescribeMountTargets", params{}, &refusal{400, "MissingFileSystemId"}},
		"a directory that exists":               {"CreateDir", with(dir, "RootDirectory", "/orders"), nil},
		"a directory without those above it":    {"CreateDir", with(dir, "RootDirectory", "/a/b"), &refusal{404, "InvalidPath.NotFound"}},
		"a directory in the place of a file":    {"CreateDir", with(dir, "RootDirectory", "/orders/1.csv"), badPath},
		"a directory below a file":              {"CreateDir", with(dir, "RootDirectory", "/orders/1.csv/x"), badPath},
		"a directory with a relative path":      {"CreateDir", with(dir, "RootDirectory", "x"), badPath},
		"a directory that leads up":             {"CreateDir", with(dir, "RootDirectory", "/orders/../x"), badPath},
		"a directory without a permission":      {"CreateDir", with(dir, "Permission", "rwx"), &refusal{400, "InvalidPermission"}},
		"a directory of an extreme file system": {"CreateDir", with(dir, "FileSystemId", "extreme-1"), &refusal{403, "OperationDenied.FileSystemNotSupported"}},
		"properties of nothing":                 {"GetDirectoryOrFileProperties", params{"FileSystemId": shop, "Path": "/none"}, &refusal{404, "InvalidPath.NotFound"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := call(t, c, ownerKey(), tt.action, tt.params)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDirectories(t *testing.T) {
	t.Parallel()
	c := start(t)
	_, failure := call(t, c, ownerKey(), "CreateDir", params{
		"FileSystemId": shop, "RootDirectory": "/a/b", "OwnerUserId": "0", "OwnerGroupId": "0", "Permission": "0750",
		"Recursion": "true",
	})
	if failure != nil {
		t.Fatalf("refused: %v", *failure)
	}
	f, err := c.NAS().FileSystem(shop)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(f.Dir, "a/b"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != os.ModeDir|0o750 {
		t.Errorf("the mode is %s", info.Mode())
	}
	for path, want := range map[string]any{"/a/b": "Directory", "/": "Directory", "/orders/1.csv": "File"} {
		body, failure := call(t, c, ownerKey(), "GetDirectoryOrFileProperties", params{"FileSystemId": shop, "Path": path})
		if failure != nil {
			t.Fatalf("%s: refused: %v", path, *failure)
		}
		if got := member(body, "Entry", "Type"); got != want {
			t.Errorf("%s is a %v, want a %v", path, got, want)
		}
	}
}

func TestPermissionsAreForFileSystems(t *testing.T) {
	t.Parallel()
	c := start(t)
	denied := &refusal{http.StatusForbidden, "Forbidden.RAM"}
	for id, want := range map[string]*refusal{shop: nil, "extreme-1": denied, "": denied} {
		_, got := call(t, c, limitedKey(), "DescribeFileSystems", params{"FileSystemId": id})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("file system %q (-want +got):\n%s", id, diff)
		}
	}
}

func TestFileSystemsByHand(t *testing.T) {
	t.Parallel()
	c := start(t)
	dir := t.TempDir()
	id, err := c.NAS().AddFileSystem(nas.FileSystemConfig{Account: owner, Region: hangzhou, Type: nas.TypeCPFS, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.NAS().WriteFile(id, "a/../b/c", []byte("x")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "b/c"))
	if err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
	if err := c.NAS().RemoveFileSystem(id); err != nil {
		t.Fatal(err)
	}
	if _, err := c.NAS().ReadFile(id, "b/c"); !errors.Is(err, nas.ErrNotFound) {
		t.Errorf("a file of a file system that has gone: %v", err)
	}
	for _, bad := range []nas.FileSystemConfig{
		{Account: owner}, {Account: owner, Region: hangzhou, Type: "fast"}, {ID: shop, Account: owner, Region: hangzhou},
	} {
		if _, err := c.NAS().AddFileSystem(bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	var got []string
	for _, f := range c.NAS().FileSystems() {
		got = append(got, f.ID)
	}
	if diff := cmp.Diff([]string{shop, "extreme-1", "foreign", "beijing"}, got); diff != "" {
		t.Errorf("file systems (-want +got):\n%s", diff)
	}
}
